// Which arm a visitor is in, as recommender/experiments/assignment.py computes it. An ES module for browsers and Node.

const HEX_DIGITS = 13; // 52 bits: exact in a double
const RAMP = ":ramp"; // after the salt: who takes part is another draw than in which arm

/** Where a key falls in 0 ≤ x < 1. */
export async function position(salt, key) {
  const bytes = new TextEncoder().encode(`${salt}:${key}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return parseInt(hex.slice(0, HEX_DIGITS), 16) / 16 ** HEX_DIGITS;
}

/** Place of the arm in `weights` (whole numbers), null for who does not take part. */
export async function armOf(salt, key, share, weights) {
  if ((await position(salt + RAMP, key)) >= share) return null;
  const target = (await position(salt, key)) * weights.reduce((sum, weight) => sum + weight, 0);
  let reached = 0;
  return weights.findIndex((weight) => target < (reached += weight));
}

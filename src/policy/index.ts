/** The public door `shootdown/policy`: policies of one's own, with routines in place of the kernel's. */

export type { Scheme } from "../kernel/scheme.js";
export { type PolicyDeclaration, policies, policy } from "./policies.js";
export type { Policy } from "./policy.js";
export { slots } from "./slots.js";

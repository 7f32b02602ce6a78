/** Policies: named choices of one variant for each slot. */

import { unknownName } from "../errors.js";
import type { Slots } from "../kernel/options.js";
import type { Scheme } from "../kernel/scheme.js";
import type { Policy } from "./policy.js";
import { withVariants } from "./slots.js";

const linux: Slots = {
  shootdown: "concurrent-ipi",
  unmap: "gather",
  protect: "gather",
  "need-flush": "x86-upstream",
  pending: "uffd-armed",
  reclaim: "batched-counters",
  "uffd-hint": "none",
  thp: "never",
  pti: "auto",
};

export const policies: readonly Policy[] = [
  {
    name: "eager",
    title: "flush every entry as it changes, before its page-table lock is dropped",
    slots: { ...linux, unmap: "eager", protect: "eager", "need-flush": "always", reclaim: "eager" },
  },
  {
    name: "deferred",
    title: "today's Linux: gather the changes of a call, flush once, then free",
    slots: linux,
  },
  {
    name: "unified",
    title:
      "deferred, and one count of generations says what is still to be flushed, for gathers and reclaim alike",
    slots: { ...linux, pending: "deferred-gen", reclaim: "unified" },
  },
  {
    name: "coherent",
    title: "deferred on ideal hardware whose TLBs follow the page table by themselves",
    slots: { ...linux, shootdown: "coherent" },
  },
  {
    name: "never",
    title: "deferred without any flush: unsafe, it bounds what a policy can save",
    slots: { ...linux, shootdown: "none" },
  },
];

export const policyNames: readonly string[] = policies.map(({ name }) => name);

/** Throws: UsageError for a policy that does not exist, naming the nearest one that does. */
export function policyNamed(name: string): Policy {
  const found = policies.find((policy) => policy.name === name);
  if (found === undefined) throw unknownName("policy", name, policyNames);
  return found;
}

/** The variants of a policy, with some slots set otherwise. Throws: UsageError for an unknown name. */
export function resolveSlots(policy: string | Policy, set: Readonly<Record<string, string>>): Slots {
  return withVariants((typeof policy === "string" ? policyNamed(policy) : policy).slots, set);
}

export interface PolicyDeclaration extends Scheme {
  readonly name: string;
  /** What it does, in one line. */
  readonly title: string;
  /** The policy whose variants it has; `deferred` unless said. */
  readonly base?: string;
  /** Slots that differ from the base's. */
  readonly set?: Readonly<Record<string, string>>;
}

/** Declares a policy of one's own. Throws: UsageError for a base, a slot or a variant that does not exist. */
export function policy(declared: PolicyDeclaration): Policy {
  const { name, title, base = "deferred", set = {}, ...scheme } = declared;
  return { name, title, slots: resolveSlots(base, set), scheme };
}

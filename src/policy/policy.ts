/** A policy: a variant for each slot, and routines of one's own where no variant does what is wanted. */

import type { Slots } from "../kernel/options.js";
import type { Scheme } from "../kernel/scheme.js";

export interface Policy {
  readonly name: string;
  /** One line for `shootdown list`. */
  readonly title: string;
  readonly slots: Slots;
  readonly scheme?: Scheme;
}

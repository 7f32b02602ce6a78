/** Routines and programs: the units that mechanisms are made of. */

import type { Builder } from "./builder.js";
import { fail } from "./errors.js";
import type { Expr, U64 } from "./shapes.js";
import { callSite, type SourceLine } from "./where.js";

export type Routine<A extends readonly unknown[], R> = (k: Builder, ...args: A) => R;

/** What each routine stands for, so that another can take its place. */
const bodies = new WeakMap<object, object>();

/**
 * A part of a program, inlined at every call under its own name.
 *
 * It frees the registers that it used, except those of what it returns: an Expr, a handle, or an object or array of
 * them. Throws, when called: AssembleError when it calls itself or is given a lock token whose block has ended.
 */
export function routine<A extends readonly unknown[], R>(
  name: string,
  body: (k: Builder, ...args: A) => R,
): (k: Builder, ...args: A) => R {
  const own: Routine<A, R> = (k, ...args) => k.inline(body, name, args, () => body(k, ...args));
  const inlined: Routine<A, R> = (k, ...args) => {
    const other = k.replacementOf(body);
    if (other === undefined) return own(k, ...args);
    return k.inline(other.body, other.name, args, () => (other.body as Instead<A, R>)(own, k, ...args));
  };
  bodies.set(inlined, body);
  return inlined;
}

/** A routine in the place of another; made by instead(). */
export interface Replacement {
  readonly name: string;
  /** The body of the routine that it replaces. */
  readonly of: object;
  readonly body: object;
}

type Instead<A extends readonly unknown[], R> = (original: Routine<A, R>, k: Builder, ...args: A) => R;

/**
 * `body` in the place of a routine, wherever the programs call it: AssembleInput.replace takes a list of these.
 *
 * Shape:  its first argument is the routine that it replaces, to be called or not; the others are those of that routine.
 * Throws: AssembleError when `original` was not made by routine().
 */
export function instead<A extends readonly unknown[], R>(
  original: Routine<A, R>,
  name: string,
  body: Instead<A, R>,
): Replacement {
  const of = bodies.get(original);
  if (of === undefined)
    fail(
      `"${name}" stands in for something that is no routine`,
      "name a routine of shootdown/kernel, not a plain function",
    );
  return { of, name, body };
}

/** A program as its author wrote it; assemble() makes an Entry of it. */
export interface ProgramSource {
  readonly name: string;
  readonly args: readonly string[];
  readonly body: (k: Builder, args: Readonly<Record<string, Expr<U64>>>) => void;
  readonly declaredAt: SourceLine;
}

/**
 * A program that the scheduler can start: a system call, a fault, a context switch or an interrupt handler.
 *
 * It ends with status 0 where its body ends, or where k.return() says otherwise; what the body returns is ignored.
 */
export function program<const A extends readonly string[]>(
  name: string,
  args: A,
  body: (k: Builder, args: { readonly [K in A[number]]: Expr<U64> }) => void,
): ProgramSource {
  return { name, args, body: body as ProgramSource["body"], declaredAt: callSite() };
}

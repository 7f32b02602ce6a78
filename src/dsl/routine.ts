/** Routines and programs: the units that mechanisms are made of. */

import type { Builder } from "./builder.js";
import type { Expr, U64 } from "./shapes.js";
import { callSite, type SourceLine } from "./where.js";

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
  return (k, ...args) => k.inline(body, name, args, () => body(k, ...args));
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

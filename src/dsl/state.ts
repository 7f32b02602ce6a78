/**
 * Shared kernel state: records of 64-bit words that mechanisms declare, and handles to one field of one record.
 *
 * A handle is not an Expr: it must be read in a step before its value can be tested.
 */

import { fail } from "./errors.js";
import type { Node } from "./nodes.js";
import type { FieldPlace, RecordKind } from "./program.js";
import { type Pte, pte } from "./pte.js";
import { holdsNoRegisters } from "./registers.js";
import { type Operand, type Shape, type U64, u64 } from "./shapes.js";
import { type AnyOperand, nodeOf } from "./values.js";
import { callSite, type SourceLine } from "./where.js";

/** A spinlock word; its name is what Held tokens carry. */
export interface SpinLockDeclaration<N extends string = string> {
  readonly kind: "lock";
  readonly lock: N;
}
/** A reader-writer semaphore word. Its tokens are named "NAME:read" and "NAME:write". */
export interface RwLockDeclaration<N extends string = string> {
  readonly kind: "rwlock";
  readonly lock: N;
}
export interface MaskDeclaration {
  readonly kind: "mask";
}
export interface ArrayDeclaration<T extends Shape = Shape> {
  readonly kind: "array";
  readonly of: T;
  /** One word per CPU when undefined. */
  readonly length: number | undefined;
}
export type FieldDeclaration =
  | Shape
  | SpinLockDeclaration
  | RwLockDeclaration
  | MaskDeclaration
  | ArrayDeclaration;

export function spinlock<const N extends string>(name: N): SpinLockDeclaration<N> {
  return { kind: "lock", lock: name };
}

export function rwlock<const N extends string>(name: N): RwLockDeclaration<N> {
  return { kind: "rwlock", lock: name };
}

/** One bit per CPU. */
export const cpumask: MaskDeclaration = { kind: "mask" };

/** One word per CPU inside a `cpu` record, such as a call descriptor for every target. */
export function cpuArray<T extends Shape>(shape: T): ArrayDeclaration<T> {
  return { kind: "array", of: shape, length: undefined };
}

/** The CPUs 64 * `index` and up of a mask as one word, for arithmetic on whole masks. */
export function maskWord(mask: CpuMask, index: number): Field<U64> {
  return new Field(index === 0 ? mask.address : { ...mask.address, offset: nodeOf(index) }, u64);
}

/** A fixed number of words of one shape, in any record. */
export function array<T extends Shape>(length: number, shape: T): ArrayDeclaration<T> {
  if (!Number.isInteger(length) || length < 1) fail(`an array of ${length} words`, "give it at least one");
  return { kind: "array", of: shape, length };
}

/** Where a handle points: a declared field (base = record index, none for global), or an entry of a page table. */
export interface Address {
  readonly field: { readonly record: AnyRecord; readonly name: string } | "pte";
  readonly base?: Node;
  /** Added to the word index, or the index in the page table. */
  readonly offset?: Node;
}

/** One shared word. */
export class Field<T extends Shape> {
  readonly address: Address;
  readonly shape: T;
  readonly kind = "field";
  constructor(address: Address, shape: T) {
    this.address = address;
    this.shape = shape;
  }
}

export class SpinLock<N extends string> {
  readonly address: Address;
  readonly name: N;
  readonly kind = "lock";
  constructor(address: Address, name: N) {
    this.address = address;
    this.name = name;
  }
}

export class RwLock<N extends string> {
  readonly address: Address;
  readonly name: N;
  readonly kind = "rwlock";
  constructor(address: Address, name: N) {
    this.address = address;
    this.name = name;
  }
}

export class CpuMask {
  readonly address: Address;
  readonly kind = "mask";
  constructor(address: Address) {
    this.address = address;
  }
}

export class FieldArray<T extends Shape> {
  readonly address: Address;
  readonly shape: T;
  readonly kind = "array";
  constructor(address: Address, shape: T) {
    this.address = address;
    this.shape = shape;
  }
  /** The word of a CPU, or the one at an index. A run-time index is not checked. */
  at(index: Operand<U64>): Field<T> {
    return new Field({ ...this.address, offset: nodeOf(index) }, this.shape);
  }
}

export type HandleOf<D extends FieldDeclaration> =
  D extends SpinLockDeclaration<infer N>
    ? SpinLock<N>
    : D extends RwLockDeclaration<infer N>
      ? RwLock<N>
      : D extends MaskDeclaration
        ? CpuMask
        : D extends ArrayDeclaration<infer T>
          ? FieldArray<T>
          : D extends Shape
            ? Field<D>
            : never;

export type Handles<F extends Fields> = { readonly [K in keyof F]: HandleOf<F[K]> };
export type Fields = Readonly<Record<string, FieldDeclaration>>;

/** A declaration without its field types, as the assembler takes it. */
export interface AnyRecord {
  readonly kind: RecordKind;
  readonly fields: Fields;
  readonly declaredAt: SourceLine;
  readonly [holdsNoRegisters]: true;
}

export interface RecordDeclaration<K extends RecordKind, F extends Fields> extends AnyRecord {
  readonly kind: K;
  readonly fields: F;
  /** The fields of one record: `mm_struct.at(mm)`; the global record has no index. */
  at(...index: K extends "global" ? [] : [index: Operand<U64>]): Handles<F>;
}

/** Every field of one declaration, of one record: what `X.at()` of `const X = record(...)` gives. */
export type RecordHandle<R extends AnyRecord> = Handles<R["fields"]>;

/**
 * Declare shared fields of one kind of record. Declarations of one kind from several files add up.
 *
 * Throws: AssembleError when an array over all CPUs stands outside a `cpu` record.
 */
export function record<const K extends RecordKind, const F extends Fields>(
  kind: K,
  fields: F,
): RecordDeclaration<K, F> {
  for (const [name, field] of Object.entries(fields)) {
    const perCpu = "kind" in field && field.kind === "array" && field.length === undefined;
    if (perCpu && kind !== "cpu") {
      fail(
        `field "${name}" has a word per CPU but stands in a "${kind}" record`,
        'declare it in record("cpu", ...), or use array(length, shape)',
      );
    }
  }
  const declaration: RecordDeclaration<K, F> = {
    kind,
    fields,
    declaredAt: callSite(),
    [holdsNoRegisters]: true,
    at: (...index) => handles(declaration, index[0]) as Handles<F>,
  };
  return declaration;
}

/** An entry of a page table, read and changed by PTE steps; `index` counts entries. */
export function pteAt(table: Operand<U64>, index: Operand<U64>): Field<Pte>;
export function pteAt<T extends Shape>(table: Operand<U64>, index: Operand<U64>, shape: T): Field<T>;
export function pteAt(table: Operand<U64>, index: Operand<U64>, shape: Shape = pte): Field<Shape> {
  return new Field({ field: "pte", base: nodeOf(table), offset: nodeOf(index) }, shape);
}

export function fieldKind(field: FieldDeclaration): FieldPlace["kind"] {
  return "kind" in field ? field.kind : "word";
}

function handles(declaration: AnyRecord, index: AnyOperand | undefined): Record<string, unknown> {
  const base = index === undefined ? {} : { base: nodeOf(index) };
  const all: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(declaration.fields)) {
    all[name] = handle({ field: { record: declaration, name }, ...base }, field);
  }
  return all;
}

function handle(address: Address, field: FieldDeclaration): object {
  if (!("kind" in field)) return new Field(address, field);
  switch (field.kind) {
    case "lock":
      return new SpinLock(address, field.lock);
    case "rwlock":
      return new RwLock(address, field.lock);
    case "mask":
      return new CpuMask(address);
    case "array":
      return new FieldArray(address, field.of);
  }
}

/** Who holds which register: values belong to the lexical block that made them. */

import { fail } from "./errors.js";
import { REGISTER_LIMIT } from "./isa.js";

/** One value's stay in a register. A register is used by many slots, one after the other. */
export class Slot {
  readonly file: RegisterFile;
  readonly register: number;
  /** As the listing calls it. */
  readonly name: string;
  /** A k.var may change; a step's result may not. */
  readonly mutable: boolean;
  alive = true;

  constructor(file: RegisterFile, register: number, name: string, mutable: boolean) {
    this.file = file;
    this.register = register;
    this.name = name;
    this.mutable = mutable;
  }
}

/** Objects with this property hold no registers: the search for returned registers does not enter them. */
export const holdsNoRegisters = Symbol("holds no registers");

/** The registers of one program while it is assembled. */
export class RegisterFile {
  /** Highest register used + 1. */
  used = 0;
  readonly #slots: (Slot | undefined)[] = [];
  readonly #blocks: Set<Slot>[] = [new Set()];

  openBlock(): void {
    this.#blocks.push(new Set());
  }

  /** Free what the block made, except registers that `kept` mentions: those move to the block around it. */
  closeBlock(kept: unknown): void {
    const block = this.#blocks.pop()!;
    const outer = this.#blocks.at(-1)!;
    const survivors = slotsIn(kept);
    for (const slot of block) {
      if (survivors.has(slot)) outer.add(slot);
      else this.release(slot);
    }
  }

  /** A register that lives until the current block ends. */
  allocate(name: string, mutable: boolean): Slot {
    const slot = this.take(name, mutable);
    this.#blocks.at(-1)!.add(slot);
    return slot;
  }

  /** A register that lives until it is released. */
  take(name = "", mutable = false): Slot {
    let register = 0;
    while (this.#slots[register] !== undefined) register++;
    if (register >= REGISTER_LIMIT) {
      const live = this.#slots.map((slot) => slot!.name).filter((held) => held !== "");
      fail(
        `more than ${REGISTER_LIMIT} registers are in use (${live.join(", ")})`,
        "move steps into a routine or a block, so that their values end earlier",
      );
    }
    const slot = new Slot(this, register, this.#freeName(name), mutable);
    this.#slots[register] = slot;
    this.used = Math.max(this.used, register + 1);
    return slot;
  }

  release(slot: Slot): void {
    slot.alive = false;
    this.#slots[slot.register] = undefined;
  }

  /** The register of a slot that is about to be used. */
  registerOf(slot: Slot): number {
    if (slot.file !== this) {
      fail(
        `value "${slot.name}" belongs to another program`,
        "pass values as arguments, never in JS variables",
      );
    }
    if (!slot.alive) {
      fail(
        `value "${slot.name}" is used after the block that made it ended`,
        "return it from the block, or keep it in a k.var made outside",
      );
    }
    return slot.register;
  }

  /** Two live values never share a name in the listing. */
  #freeName(name: string): string {
    if (name === "") return "";
    const taken = new Set(this.#slots.map((slot) => slot?.name));
    let unique = name;
    for (let n = 2; taken.has(unique); n++) unique = `${name}_${n}`;
    return unique;
  }
}

/** All slots reachable from a value: an Expr, a handle, a Var, or any object or array of them. */
function slotsIn(value: unknown, seen = new Set<unknown>(), found = new Set<Slot>()): Set<Slot> {
  if (typeof value !== "object" || value === null || seen.has(value)) return found;
  seen.add(value);
  if (value instanceof Slot) return found.add(value);
  if (holdsNoRegisters in value) return found;
  for (const part of Object.values(value)) slotsIn(part, seen, found);
  return found;
}

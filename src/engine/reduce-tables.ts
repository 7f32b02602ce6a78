/** Writes what is known of a case beforehand where `assembly/reduce.ts` looks for it. */

import { RECORD_KINDS } from "../dsl/program.js";
import type { Footprint } from "./footprint.js";
import type { Reach } from "./reach.js";
import type { CpuReduction, Reduction } from "./reduction.js";
import type { World } from "./world.js";

/** Bytes that the tables take. */
export function reductionBytes(instance: World, reduction: Reduction): number {
  return placesOf(reduction, 0, instance).end;
}

/** Writes the tables at `at`, a multiple of 8, where memory has room for them. */
export function writeReduction(instance: World, at: number, reduction: Reduction): void {
  const places = placesOf(reduction, at, instance);
  const writer = new Writer(instance, reduction, places);
  writer.header(at);
  for (const [cpu, one] of reduction.cpus.entries()) writer.cpu(cpu, one);
}

interface Places {
  readonly own: number;
  readonly tail: number;
  readonly reach: number;
  readonly script: number;
  readonly ofCpu: number;
  readonly words: number;
  readonly held: number;
  readonly tailEnds: number;
  readonly reachEnds: number;
  readonly end: number;
}

const SET = 16;

function placesOf(reduction: Reduction, at: number, instance: World): Places {
  const { cpus, views } = reduction;
  const ops = cpus[0]!.own.length;
  const row = cpus.length * ops;
  const items = cpus.length * itemsOf(reduction);
  const own = at + instance.value("RD_BYTES");
  const tail = own + row * SET;
  const reach = tail + row * SET;
  const script = reach + views * row * SET;
  const ofCpu = script + views * items * SET;
  const words = ofCpu + cpus.length * instance.value("RC_BYTES");
  const held = words + instance.value("tablePages") - instance.value("stateBase");
  const tailEnds = held + 2 * row;
  const reachEnds = tailEnds + row;
  const end = (reachEnds + views * row + 7) & ~7;
  return { own, tail, reach, script, ofCpu, words, held, tailEnds, reachEnds, end };
}

/** Entries of a script: one an item of the longest thread, and one for its end. */
function itemsOf({ cpus }: Reduction): number {
  return Math.max(...cpus.map((cpu) => cpu.script[0]!.length));
}

class Writer {
  readonly #instance: World;
  readonly #reduction: Reduction;
  readonly #places: Places;
  readonly #view: DataView;

  constructor(instance: World, reduction: Reduction, places: Places) {
    this.#instance = instance;
    this.#reduction = reduction;
    this.#places = places;
    this.#view = new DataView(instance.memory.buffer);
  }

  header(at: number): void {
    const { own, tail, reach, script, ofCpu, words: classes, held, tailEnds, reachEnds } = this.#places;
    const words: Readonly<Record<string, number>> = {
      RD_VIEWS: this.#reduction.views,
      RD_OPS: this.#reduction.cpus[0]!.own.length,
      RD_ITEMS: itemsOf(this.#reduction),
      RD_OWN: own,
      RD_TAIL: tail,
      RD_REACH: reach,
      RD_SCRIPT: script,
      RD_CPU: ofCpu,
      RD_WORDS: classes,
      RD_HELD: held,
      RD_TAIL_ENDS: tailEnds,
      RD_REACH_ENDS: reachEnds,
    };
    for (const [name, value] of Object.entries(words))
      this.#view.setUint32(at + this.#instance.value(name), value, true);
    this.#view.setBigUint64(at + this.#instance.value("RD_LEAF"), this.#reduction.leaf, true);
    this.#set(at + this.#instance.value("RD_ENTRY"), this.#reduction.entry);
    this.#classes();
  }

  #classes(): void {
    const { program, size } = this.#instance;
    const { cpus, mms, tasks, tables, frames } = size;
    const counts = { global: 1, mm: mms, cpu: cpus, task: tasks, table: tables, frame: frames };
    const words = program.layout.words;
    const stateBase = this.#instance.value("stateBase");
    RECORD_KINDS.forEach((kind, number) => {
      const place = this.#instance.value("RECORDS") + number * 8;
      const base = this.#view.getUint32(place, true) - stateBase;
      const stride = this.#view.getUint32(place + 4, true);
      for (let record = 0; record < counts[kind]; record++) {
        for (let word = 0; word < words[kind]; word++) {
          const at = this.#places.words + base + record * stride + word * 8;
          this.#view.setBigUint64(at, this.#reduction.wordClass(kind, record, word), true);
        }
      }
    });
  }

  cpu(cpu: number, one: CpuReduction): void {
    const { own, tail, held, tailEnds, ofCpu } = this.#places;
    const ops = one.own.length;
    const first = cpu * ops;
    for (let pc = 0; pc < ops; pc++) {
      this.#set(own + (first + pc) * SET, one.own[pc]!);
      this.#set(tail + (first + pc) * SET, one.tail[pc]!.touched);
      this.#view.setUint8(tailEnds + first + pc, (one.tail[pc]!.ends ? 1 : 0) | (one.needsAll[pc] ? 2 : 0));
      this.#view.setUint16(held + 2 * (first + pc), one.held[pc]!, true);
    }
    for (const [view, reach] of one.reach.entries()) this.#reach(view, cpu, reach);
    for (const [view, script] of one.script.entries()) this.#script(view, cpu, script);
    const record = ofCpu + cpu * this.#instance.value("RC_BYTES");
    this.#set(record + this.#instance.value("RC_HANDLER"), one.handler);
    this.#set(record + this.#instance.value("RC_ANYTIME"), one.anytime);
    this.#set(record + this.#instance.value("RC_USER_TIME"), one.userTime);
    this.#view.setBigUint64(record + this.#instance.value("RC_PENDING"), one.pending, true);
  }

  #reach(view: number, cpu: number, reach: readonly Reach[]): void {
    const { cpus } = this.#reduction;
    const first = (view * cpus.length + cpu) * reach.length;
    for (const [pc, { touched, ends }] of reach.entries()) {
      this.#set(this.#places.reach + (first + pc) * SET, touched);
      this.#view.setUint8(this.#places.reachEnds + first + pc, ends ? 1 : 0);
    }
  }

  #script(view: number, cpu: number, script: readonly Reach[]): void {
    const first = (view * this.#reduction.cpus.length + cpu) * itemsOf(this.#reduction);
    for (const [item, { touched }] of script.entries())
      this.#set(this.#places.script + (first + item) * SET, touched);
  }

  #set(at: number, { uses, changes }: Footprint): void {
    this.#view.setBigUint64(at, uses, true);
    this.#view.setBigUint64(at + 8, changes, true);
  }
}

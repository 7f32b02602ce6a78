/** A symmetry as `assembly/symmetry.ts` reads it. */

import { RECORD_KINDS } from "../dsl/program.js";
import type { Symmetry } from "./symmetry.js";
import type { World } from "./world.js";

/** A symmetry in a world. */
export interface PlacedSymmetry extends Symmetry {
  /** Addresses of all words that hold a bit for each CPU. */
  readonly masks: readonly number[];
}

/** Bytes that writeSymmetry() fills. */
export function symmetryBytes(world: World, symmetry: PlacedSymmetry): number {
  return place(world, symmetry).bytes;
}

/** Writes to zeroed memory at `at`. */
export function writeSymmetry(world: World, at: number, symmetry: PlacedSymmetry): void {
  const { ops, items, masks, members, bytes } = place(world, symmetry);
  const view = new DataView(world.memory.buffer, at, bytes);
  const tell = (name: string, value: number): void => view.setUint32(world.value(`SY_${name}`), value, true);
  tell("MEMBER_COUNT", symmetry.members.length);
  tell("MEMBERS", at + members);
  tell("MASK_COUNT", symmetry.masks.length);
  tell("MASKS", at + masks);
  tell("OPS", at + ops);
  tell("OP_COUNT", symmetry.ops[0]!.length);
  tell("ITEMS", at + items);
  tell("ITEM_COUNT", mostItems(symmetry));
  tell("USES_TASK", symmetry.usesTask ? 1 : 0);
  symmetry.members.forEach((cpu, index) => {
    view.setUint32(members + index * 4, cpu, true);
  });
  symmetry.masks.forEach((word, index) => {
    view.setUint32(masks + index * 4, word, true);
  });
  const writeRows = (from: number, rows: readonly (readonly boolean[])[], length: number): void => {
    rows.forEach((row, cpu) => {
      row.forEach((tells, index) => {
        view.setUint8(from + cpu * length + index, tells ? 1 : 0);
      });
    });
  };
  writeRows(ops, symmetry.ops, symmetry.ops[0]!.length);
  writeRows(items, symmetry.items, mostItems(symmetry));
}

function place(world: World, symmetry: PlacedSymmetry) {
  const members = world.value("SY_BYTES");
  const masks = members + symmetry.members.length * 4;
  const ops = masks + symmetry.masks.length * 4;
  const items = ops + symmetry.ops.length * symmetry.ops[0]!.length;
  return { members, masks, ops, items, bytes: items + symmetry.items.length * mostItems(symmetry) };
}

function mostItems({ items }: Symmetry): number {
  return Math.max(...items.map((row) => row.length));
}

/** Words that hold a bit for each CPU, of up to 64: mask fields, who has loaded a root, where a broadcast has yet to arrive. */
export function maskWords(world: World): number[] {
  const { layout } = world.program;
  const { size } = world;
  const count = {
    global: 1,
    mm: size.mms,
    cpu: size.cpus,
    task: size.tasks,
    table: size.tables,
    frame: size.frames,
  };
  const words: number[] = [];
  for (const { record, kind, word } of layout.fields) {
    if (kind !== "mask") continue;
    const at = world.value("RECORDS") / 4 + RECORD_KINDS.indexOf(record) * 2;
    for (let index = 0; index < count[record]; index++)
      words.push(world.u32[at]! + index * world.u32[at + 1]! + word * 8);
  }
  for (let root = 0; root < size.tables; root++) words.push(world.value("holders") + root * 8);
  for (let cpu = 0; cpu < size.cpus; cpu++)
    words.push(world.value("hwBase") + cpu * world.value("hwStride") + world.value("hwBroadcast") + 24);
  return words;
}

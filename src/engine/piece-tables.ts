/** Writes the pieces of a state, groups of them and their parts where `assembly/pieces.ts` and `snapshot.ts` look for them. */

import type { Piece, Run } from "./state-pieces.js";
import type { Tables } from "./tables.js";
import type { World } from "./world.js";

const PIECE_BYTES = 32;

export function writePieces(
  groups: readonly (readonly Run[])[],
  world: World,
  tables: Tables,
): Record<string, number> {
  const all = groups.flatMap((runs) => runs.flatMap(({ pieces }) => pieces));
  const parts = groups.flatMap((runs, group) =>
    runs.flatMap(({ pieces }) => pieces.map((_, index) => partOf(world, group, index))),
  );
  const pieces = tables.take(all.length * PIECE_BYTES);
  all.forEach(({ address, masks }, number) => {
    pieces.view.setBigUint64(number * PIECE_BYTES, masks[0], true);
    pieces.view.setBigUint64(number * PIECE_BYTES + 8, masks[1], true);
    pieces.view.setBigUint64(number * PIECE_BYTES + 16, salt(number), true);
    pieces.view.setUint32(number * PIECE_BYTES + 24, address, true);
    pieces.view.setUint32(number * PIECE_BYTES + 28, parts[number]!, true);
  });
  const directory = tables.take(groups.length * 8);
  const pieceOf = writePieceNumbers(all, world, tables);
  let number = 0;
  groups.forEach((runs, group) => {
    const table = tables.take(runs.length * 16);
    runs.forEach((run, index) => {
      table.view.setUint32(index * 16, run.pieces[0]!.address, true);
      table.view.setUint32(index * 16 + 4, run.pieces.length, true);
      table.view.setUint32(index * 16 + 8, number, true);
      number += run.pieces.length;
    });
    directory.view.setUint32(group * 8, table.at, true);
    directory.view.setUint32(group * 8 + 4, runs.length, true);
  });
  return { PIECES: pieces.at, PIECE_COUNT: all.length, PIECE_OF: pieceOf, GROUPS: directory.at };
}

/** Pieces of a CPU's flags in which nobody else looks at anything: program counters, and what goes with them. */
const UNSEEN_FLAGS = 2;

const PART_OF_GROUP = {
  TABLES: "PART_TABLES",
  FRAMES: "PART_FRAMES",
  RANGES: "PART_REST",
  CACHE: "PART_REST",
  HOLDERS: "PART_REST",
} as const;

/** The part of a state (assembly/pieces.ts) that a piece belongs to, by its group and its place in it. */
function partOf(world: World, group: number, index: number): number {
  const value = (name: string): number => world.value(name);
  const first = value("GROUP_CPU");
  if (group < first) {
    const shared = Object.entries(PART_OF_GROUP).find(([name]) => value(`GROUP_${name}`) === group);
    return value(shared?.[1] ?? "PART_NONE");
  }
  const kind = (group - first) % value("OF_CPU");
  const isSeen = kind === value("OF_CPU_FLAGS") && index >= UNSEEN_FLAGS;
  const name =
    kind === value("OF_CPU_QUEUE")
      ? "QUEUE"
      : kind === value("OF_CPU_ENTRIES")
        ? "ENTRIES"
        : isSeen
          ? "SEEN"
          : "OWN";
  const cpu = Math.floor((group - first) / value("OF_CPU"));
  return value("PART_CPU") + cpu * value("PARTS_OF_CPU") + value(`PART_OF_CPU_${name}`);
}

/** For each word up to the frames, of records, page tables and what is known of those, the piece that it is in. */
function writePieceNumbers(pieces: readonly Piece[], world: World, tables: Tables): number {
  const from = world.value("stateBase");
  const words = (world.value("frameMeta") - from) / 8;
  const { at, view } = tables.take(words * 2);
  for (let word = 0; word < words; word++) view.setUint16(word * 2, world.value("NO_PIECE"), true);
  pieces.forEach(({ address }, number) => {
    const word = (address - from) / 8;
    for (const one of [word, word + 1]) if (one < words) view.setUint16(one * 2, number, true);
  });
  return at;
}

/** A fixed random number for each piece: SplitMix64. */
function salt(number: number): bigint {
  const mixed = (value: bigint, shift: bigint, factor: bigint): bigint =>
    BigInt.asUintN(64, (value ^ (value >> shift)) * factor);
  const start = BigInt.asUintN(64, BigInt(number + 1) * 0x9e3779b97f4a7c15n);
  const once = mixed(start, 30n, 0xbf58476d1ce4e5b9n);
  const twice = mixed(once, 27n, 0x94d049bb133111ebn);
  return twice ^ (twice >> 31n);
}

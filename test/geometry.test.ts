/**
 * Hits and misses for the geometry of every preset: the engine's hot loop, the naive twin and the few lines of `lruCounts` below, which
 * know nothing of either, count the same on a random stream and on a recording, in CI on all of it.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { HotWorld } from "../bench/hot-world.js";
import type { Stream } from "../bench/streams.js";
import { structuresOf } from "../src/engine/world.js";
import { type MachineNumbers, machineNumbers, type StructureName } from "../src/machine/preset.js";
import { machines } from "../src/machine/presets.js";
import { SMALL_CONFIG } from "../src/reference/small-config.js";
import type { MachineConfig, TlbName } from "../src/reference/state.js";
import { Tlb } from "../src/reference/tlb.js";

const FETCH = 2;
/** What a feed's ring holds has to be a power of two. */
const randomLength = 2 ** 16;
/** The whole recording in CI, the beginning of it else. */
const recordedLength = process.env.THOROUGH === "1" ? 2 ** 20 : 2 ** 17;

interface Access {
  readonly page: number;
  readonly kind: number;
}

/** Bursts on few pages, walks over many and jumps anywhere, by loads, stores and fetches: every array overflows now and then. */
function randomAccesses(): Access[] {
  const rng = xoroshiro128plus(2026);
  const accesses: Access[] = [];
  while (accesses.length < randomLength) {
    const reach = [48, 70, 100, 1100, 1600, 2100, 3200, 5000][uniformInt(rng, 0, 7)]!;
    const start = uniformInt(rng, 0, 8000 - reach);
    const kind = uniformInt(rng, 0, 2);
    const inOrder = uniformInt(rng, 0, 1) === 1;
    for (let i = 0; i < 2 * reach && accesses.length < randomLength; i++)
      accesses.push({ page: 0x10000 + start + (inOrder ? i % reach : uniformInt(rng, 0, reach - 1)), kind });
  }
  return accesses;
}

/** The recording of a gzip, from its beginning again where it is shorter than the ring. */
function recordedAccesses(): Access[] {
  const text = gunzipSync(readFileSync(new URL("../examples/gzip.lackey.gz", import.meta.url))).toString(
    "latin1",
  );
  const kinds: Record<string, number> = { I: FETCH, L: 0, S: 1, M: 3 };
  const accesses = [...text.matchAll(/^(?:(I)| ([LSM])) +([0-9a-f]+),/gm)].map(
    ([, fetch, data, address]) => ({
      page: Math.floor(Number.parseInt(address!, 16) / 4096),
      kind: kinds[fetch ?? data!]!,
    }),
  );
  expect(accesses).toHaveLength(923_404);
  const again = accesses.slice(0, Math.max(0, recordedLength - accesses.length));
  return [...accesses, ...again].slice(0, recordedLength);
}

function streamOf(name: string, accesses: readonly Access[]): Stream {
  const records = new Uint32Array(2 * accesses.length);
  accesses.forEach(({ page, kind }, i) => {
    records[2 * i] = page * 4096 + kind;
    records[2 * i + 1] = Math.floor(page / 2 ** 20);
  });
  return { name, pages: [...new Set(accesses.map(({ page }) => page))], records };
}

interface Counts {
  readonly l1Hits: number;
  readonly stlbHits: number;
  readonly walks: number;
}

/** Two levels, 4 KiB pages, true LRU: a set is a list of pages, the one used last at its end. */
function lruCounts({ structures }: MachineNumbers, accesses: readonly Access[]): Counts {
  const arrayOf = (name: StructureName) => {
    const { entries, ways } = structures[name];
    return { ways, sets: Array.from({ length: entries / ways }, (): number[] => []) };
  };
  type Lru = ReturnType<typeof arrayOf>;
  const [data, code, second] = [arrayOf("l1d4k"), arrayOf("l1i4k"), arrayOf("stlb")];
  const use = ({ sets, ways }: Lru, page: number): boolean => {
    const set = sets[page % sets.length]!;
    const at = set.lastIndexOf(page);
    if (at >= 0) set.splice(at, 1);
    else if (set.length === ways) set.shift();
    set.push(page);
    return at >= 0;
  };
  const counts = { l1Hits: 0, stlbHits: 0, walks: 0 };
  for (const { page, kind } of accesses) {
    if (use(kind === FETCH ? code : data, page)) counts.l1Hits++;
    else if (use(second, page)) counts.stlbHits++;
    else counts.walks++;
  }
  return counts;
}

/** The twin's arrays in the preset's sizes. */
function twinConfig(machine: MachineNumbers): MachineConfig {
  const { arrays, serves } = structuresOf(machine);
  const names: readonly TlbName[] = ["l1d4k", "l1d2m", "l1d1g", "l1i4k", "l1i2m", "stlb4k", "stlb1g"];
  const shape = (i: number) => (arrays[i]!.ways === 0 ? { sets: 0, ways: 0 } : arrays[i]!);
  const served = (from: number) =>
    [0, 1, 2].map((size) => names[serves[from + size]!]!) as [TlbName, TlbName, TlbName];
  return {
    ...SMALL_CONFIG,
    radixBits: 9,
    geometry: Object.fromEntries(names.map((name, i) => [name, shape(i)])) as MachineConfig["geometry"],
    serves: { data: served(0), fetch: served(3), second: served(6) },
  };
}

function twinCounts(machine: MachineNumbers, accesses: readonly Access[]): Counts {
  const tlb = new Tlb(twinConfig(machine));
  const unmarked = { free: false, stale: 0, gone: 0, since: [], made: 0, broken: 0, root: 1, generation: 0 };
  for (const { page, kind } of accesses) {
    if (tlb.lookup(page, 1, kind === FETCH) !== undefined) continue;
    const rights = { write: true, exec: true, dirty: true, global: false };
    tlb.fill({ page, size: 0, pcid: 1, pfn: 1, ...rights, ...unmarked }, kind === FETCH);
  }
  return { l1Hits: tlb.found.first, stlbHits: tlb.found.second, walks: tlb.found.nowhere };
}

function engineCounts(machine: MachineNumbers, stream: Stream): Counts {
  const { counts } = new HotWorld(stream, machine, {
    name: machine.name,
    build: "release",
    oracle: true,
  }).pass();
  return { l1Hits: counts.l1Hits!, stlbHits: counts.stlbHits!, walks: counts.walks! };
}

const recorded = recordedAccesses();
const random = randomAccesses();

describe.each(machines.map((machine) => [machine.name, machineNumbers(machine)] as const))(
  "%s",
  (_, machine) => {
    test("engine, twin and a plain LRU count the same on a random stream", () => {
      const expected = lruCounts(machine, random);
      expect(Math.min(...Object.values(expected))).toBeGreaterThan(100);
      expect(engineCounts(machine, streamOf("random", random))).toEqual(expected);
      expect(twinCounts(machine, random)).toEqual(expected);
    });

    test("and on a recording", () => {
      const expected = lruCounts(machine, recorded);
      expect(expected.l1Hits + expected.stlbHits + expected.walks).toBe(recordedLength);
      expect(engineCounts(machine, streamOf("recorded", recorded))).toEqual(expected);
      expect(twinCounts(machine, recorded)).toEqual(expected);
    });
  },
);

/*
 * Reads ahead of the hot loop what it will need, so that it comes into the host's caches for many accesses at once: what walks from the
 * root read, and what a CPU has cached, where there are so many CPUs that its turn begins with cold caches. Else an access waits for one
 * line after another, which is most of its time. It changes nothing, and believes nothing that it finds.
 */
import { firstOf, tagOf, wayOf } from "./assoc";
import { CFG_FRAMES, CFG_TABLES, config } from "./config";
import { AT_FRAMES, AT_TABLES, ROLE_DATA, ROLE_SECOND } from "./fixed";
import { ckTags, cpus, hw, hwEntries, pageBytesShift, radixBits, radixMask } from "./layout";
import { CK_HINTS, CK_RECORD, CK_RUN, CK_STAMPS, ENTRY_BYTES, HINT_BYTES } from "./offsets";
import { infoAddress } from "./lines";
import { tableOf } from "./walk";

/** Records of one go. */
export const AHEAD: usize = 16;
/** Where the sum of all that was read goes, so that no compiler leaves it out. */
const SINK: usize = CK_RECORD + 40;
/** The key of page 0, as run() of quick.ts left it. */
const PAGE0: usize = CK_RUN + 32;

// @ts-ignore: decorator
@inline
function entryIn(table: u32, page: u64): usize {
  const safe = table < config(CFG_TABLES) ? table : 0;
  return <usize>load<u32>(AT_TABLES) + (<usize>safe << pageBytesShift) + (<usize>(page & radixMask) << 3);
}

/** For the records from `p` to `end`, if they walk from `root`. */
export function readAhead(k: usize, root: u32, p: usize, end: usize): void {
  const frames = config(CFG_FRAMES);
  let sink: u32 = 0;
  for (; p < end; p += 8) {
    const vpn = load<u64>(p) >> 12;
    const page1 = vpn >> <u64>radixBits;
    const page2 = page1 >> <u64>radixBits;
    const at3 = entryIn(root, page2 >> <u64>radixBits);
    const at2 = entryIn(tableOf(load<u64>(at3)), page2);
    const at1 = entryIn(tableOf(load<u64>(at2)), page1);
    const at = entryIn(tableOf(load<u64>(at1)), vpn);
    const frame = tableOf(load<u64>(at));
    const word = <usize>load<u32>(AT_FRAMES) + (<usize>min(frame, frames - 1) << 2);
    sink ^= load<u32>(word) ^ load<u32>(infoAddress(at2)) ^ load<u32>(infoAddress(at1)) ^ load<u32>(infoAddress(at));
  }
  store<u32>(k, sink, SINK);
}

/** CPUs from which on their blocks do not stay in a core's own caches, and from which on they do not stay in those that cores share. */
const MANY_CPUS: u32 = 64;
const VERY_MANY_CPUS: u32 = 256;
/** Records of one go, and cycles that one of them takes at least where it is worth it. */
const TURN_RECORDS: usize = 128;
const TURN_CYCLES: u64 = 8;
/** Records from which on a turn reads all of the second level: what lies in a row comes several times as fast as what has to be looked for. */
const WHOLE_RECORDS: usize = 64;
const LINE: usize = 64;

// @ts-ignore: decorator
@inline
function readAll(from: usize, bytes: usize): u32 {
  let sink: u32 = 0;
  for (let at = from; at < from + bytes; at += LINE) sink ^= load<u32>(at);
  return sink;
}

/**
 * For the turn of a CPU that begins with up to `n` records at `p` and lasts `time`: its first level, and of the second what they hit, or all of
 * it if they are many.
 */
export function readTurnAhead(cpu: u32, k: usize, p: usize, n: usize, time: u64): void {
  if (cpus < MANY_CPUS) return;
  const records = min(min(n, TURN_RECORDS), <usize>min(time / TURN_CYCLES, <u64>TURN_RECORDS));
  const isWhole = records >= WHOLE_RECORDS;
  if (!isWhole && cpus < VERY_MANY_CPUS) return;
  const entries = hw(cpu) + hwEntries;
  const tags = k + ckTags;
  let sink = readAll(k + CK_HINTS, HINT_BYTES) ^ readSlots(k, entries, tags, ROLE_DATA);
  if (isWhole) sink ^= readSlots(k, entries, tags, ROLE_SECOND);
  else sink ^= readHits(k, entries, tags, p, p + (records << 3));
  store<u32>(k, sink, SINK);
}

/** What the records from `p` to `end` hit in the second level. */
function readHits(k: usize, entries: usize, tags: usize, p: usize, end: usize): u32 {
  const ways = load<u32>(ROLE_SECOND, 8);
  if (ways - 1 > 15) return 0;
  let sink: u32 = 0;
  for (let at = p; at < end; at += 8) {
    const slot = <usize>firstOf(ROLE_SECOND, load<u64>(at) >> 12);
    sink ^= load<u32>(tags + (slot << 1)) ^ load<u32>(k + CK_STAMPS + (slot << 2));
  }
  const page0 = load<u64>(k, PAGE0);
  for (let at = p; at < end; at += 8) {
    const vpn = load<u64>(at) >> 12;
    const slot = firstOf(ROLE_SECOND, vpn);
    const way = wayOf(tags + (<usize>slot << 1), ways, tagOf((vpn << 15) | page0));
    sink ^= load<u32>(entries + <usize>(slot + min(way, ways - 1)) * ENTRY_BYTES);
  }
  return sink;
}

/** All slots of an array. */
// @ts-ignore: decorator
@inline
function readSlots(k: usize, entries: usize, tags: usize, role: usize): u32 {
  const first = <usize>load<u32>(role);
  const count = <usize>(load<u32>(role, 4) * load<u32>(role, 8));
  const sink = readAll(k + CK_STAMPS + (first << 2), count << 2) ^ readAll(tags + (first << 1), count << 1);
  return sink ^ readAll(entries + first * ENTRY_BYTES, count * ENTRY_BYTES);
}

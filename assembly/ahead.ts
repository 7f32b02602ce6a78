/*
 * Reads ahead of the hot loop what it will need, so that it comes into the host's caches for many accesses at once: what walks from the
 * root read, and what a CPU has cached, where there are so many CPUs that its turn begins with cold caches. Else an access waits for one
 * line after another, which is most of its time. It changes nothing, and believes nothing that it finds.
 */
import { CFG_FRAMES, CFG_TABLES, config } from "./config";
import { AT_FRAMES, AT_TABLES, ROLE_DATA, ROLE_SECOND } from "./fixed";
import { hw } from "./addresses";
import { ckTags, cpus, hwEntries, pageBytesShift, radixBits, radixMask } from "./layout";
import { CK_HINTS, CK_RECORD, CK_STAMPS, ENTRY_BYTES, HINT_BYTES } from "./offsets";
import { KIND_MODIFY } from "./isa";
import { infoAddress } from "./lines";
import { tableOf } from "./walk";

/** Records of one go. */
export const AHEAD: usize = 16;
/** Where the sum of all that was read goes, so that no compiler leaves it out. */
const SINK: usize = CK_RECORD + 40;

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
/** Accesses from which on it pays, for either; and cycles that one takes at least where it does. */
const MANY_ACCESSES: usize = 48;
const SOME_ACCESSES: usize = 24;
const ACCESS_CYCLES: u64 = 8;
/** Bits of a record's kind that no access has. */
const NO_ACCESS: u32 = 15 & ~KIND_MODIFY;
const LINE: usize = 64;

/** Whether of the `n` records at `p` so many come first that are accesses: an even number. Without a branch, as what stands there comes late. */
// @ts-ignore: decorator
@inline
function isStretch(p: usize, n: usize, accesses: usize): bool {
  if (n < accesses) return false;
  let all = v128.load(p);
  for (let at = p + 16; at < p + (accesses << 3); at += 16) all = v128.or(all, v128.load(at));
  return ((i32x4.extract_lane(all, 0) | i32x4.extract_lane(all, 2)) & NO_ACCESS) == 0;
}

/** For the turn of a CPU that begins with up to `n` records at `p` and lasts `time`: all that its first and second level hold. */
export function readTurnAhead(cpu: u32, k: usize, p: usize, n: usize, time: u64): void {
  if (cpus < MANY_CPUS) return;
  const worth = cpus < VERY_MANY_CPUS ? MANY_ACCESSES : SOME_ACCESSES;
  if (time < <u64>worth * ACCESS_CYCLES || !isStretch(p, n, worth)) return;
  let sink = readSlots(cpu, k, ROLE_SECOND) ^ readSlots(cpu, k, ROLE_DATA);
  for (let at = k + CK_HINTS; at < k + CK_HINTS + HINT_BYTES; at += LINE) sink ^= load<u32>(at);
  store<u32>(k, sink, SINK);
}

/**
 * All slots of an array: a line of each of eleven streams, the tags, two of stamps and eight of entries, again and again, because the host fetches
 * ahead within a page at most, and in several pages at once.
 */
function readSlots(cpu: u32, k: usize, role: usize): u32 {
  const first = <usize>load<u32>(role);
  // Bytes of tags; there are twice as many of stamps, and eight times as many of entries.
  const part = <usize>(load<u32>(role, 4) * load<u32>(role, 8)) << 1;
  const tags = k + ckTags + (first << 1);
  const end = tags + part;
  let b = k + CK_STAMPS + (first << 2);
  let c = hw(cpu) + hwEntries + first * ENTRY_BYTES;
  let sink: u32 = 0;
  for (let a = tags; a < end; a += LINE) {
    let d = c + part;
    sink ^= load<u32>(a) ^ load<u32>(b) ^ load<u32>(b + part) ^ load<u32>(c) ^ load<u32>(d);
    d += part;
    sink ^= load<u32>(d) ^ load<u32>(d + part);
    d += 2 * part;
    sink ^= load<u32>(d) ^ load<u32>(d + part);
    d += 2 * part;
    sink ^= load<u32>(d) ^ load<u32>(d + part);
    b += LINE;
    c += LINE;
  }
  return sink;
}

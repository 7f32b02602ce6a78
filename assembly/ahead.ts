/*
 * Reads ahead of the hot loop what walks from the root will need, so that it comes into the host's caches for many of them at once. Such
 * walks wait for one line after another, which is most of their time. It changes nothing, and believes nothing that it finds.
 */
import { CFG_FRAMES, CFG_TABLES, config } from "./config";
import { AT_FRAMES, AT_TABLES } from "./fixed";
import { CK_RECORD, pageBytesShift, radixBits, radixMask } from "./layout";
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

/*
 * Copies that the kernel makes in order to map them: until a copy is mapped in its place, a store to its source is lost. Open copies are
 * chained by their source; a translation that could store to one is marked.
 */
import { frameOf, PAY_WRITE } from "./assoc";
import { CFG_ORACLE, config } from "./config";
import { clk, entryAt, frameMetaOf, frameWordAt, hw } from "./addresses";
import { ckLog } from "./layout";
import { CK_LOG_COUNT, ENTRY_PAYLOAD, LOG_MAX } from "./offsets";
import { COPIED, FREED, markOf, setMark, JUDGED } from "./marks";
import {
  FM_BYTES, FM_COPY_FROM, FM_COPY_NEXT, FM_COPY_OF, FM_COPY_ROOT, FM_COPY_TO, FM_COPY_VPN, FM_LOST_CPU, NO_SITE, SITE_COPY, SITE_LOST_KIND,
  SITE_LOST_MADE, FM_JUDGED, FW_LIVE, FW_WATCHED,
} from "./meta";
import { visitAll } from "./oracle";
import { LOST_WRITE, report, frameSiteAt } from "./report";

/** In the low bits of a log entry that is no page-table entry's address, and its words. */
export const LOST: u32 = 1;
export const LOST_WORDS: u32 = 6;

export function markCopied(cpu: u32, slot: u32, pfn: u32): void {
  const payload = load<u64>(entryAt(hw(cpu), slot), ENTRY_PAYLOAD);
  if (frameOf(payload) == pfn && (payload & PAY_WRITE) != 0) setMark(cpu, slot, markOf(cpu, slot) | COPIED);
}

/** The kernel copied `source` to `target` for (root, vpn): from now on stores to the source may be lost. */
export function copyBegins(source: u32, target: u32, root: u32, vpn: u64, site: u32): void {
  if (!config(CFG_ORACLE)) return;
  const meta = frameMetaOf(source);
  const to = frameMetaOf(target);
  if (load<u32>(to, FM_COPY_FROM) != 0) endCopy(target);
  store<u32>(to, load<u32>(meta, FM_COPY_TO), FM_COPY_NEXT);
  store<u32>(meta, target, FM_COPY_TO);
  store<u32>(frameWordAt(source), load<u32>(frameWordAt(source)) | FW_WATCHED);
  store<u32>(to, source, FM_COPY_FROM);
  store<u32>(to, root, FM_COPY_ROOT);
  store<u64>(to, vpn, FM_COPY_VPN);
  store<u32>(frameSiteAt(target), site, SITE_COPY);
  visitAll(0, root, vpn, 0, 1, source, site);
}

/** Takes a copy off its source's chain. */
export function endCopy(target: u32): void {
  const to = frameMetaOf(target);
  const source = load<u32>(to, FM_COPY_FROM);
  let link = frameMetaOf(source) + FM_COPY_TO;
  while (load<u32>(link) != target) link = frameMetaOf(load<u32>(link)) + FM_COPY_NEXT;
  store<u32>(link, load<u32>(to, FM_COPY_NEXT));
  if ((load<u32>(frameMetaOf(source), FM_COPY_TO) | load<u32>(frameMetaOf(source), FM_JUDGED)) == 0) store<u32>(frameWordAt(source), load<u32>(frameWordAt(source)) & ~FW_WATCHED);
  memory.fill(to + FM_COPY_FROM, 0, FM_BYTES - FM_COPY_FROM);
}

/** The page table now maps `pfn` at (root, vpn): if it is the target of a copy whose source was written since, that write is lost. */
export function closeCopy(root: u32, vpn: u64, pfn: u32, site: u32): void {
  const to = frameMetaOf(pfn);
  const source = load<u32>(to, FM_COPY_FROM);
  if (source == 0 || load<u32>(to, FM_COPY_ROOT) != root || load<u64>(to, FM_COPY_VPN) != vpn) return;
  const by = load<u32>(to, FM_LOST_CPU);
  if (by != 0) {
    const sites = frameSiteAt(pfn);
    const made = load<u32>(sites, SITE_LOST_MADE);
    report(by - 1, LOST_WRITE, vpn, load<u32>(sites, SITE_LOST_KIND), source, made == NO_SITE ? site : made, load<u32>(sites, SITE_COPY));
  }
  endCopy(pfn);
  store<u32>(to, source, FM_COPY_OF);
}

/**
 * A fill of a frame whose word is `word`. One that is live and no more has nothing to be remembered; others come here: entries of frames that are
 * free, judged clean, or the source of an open copy are born with a mark.
 */
export function filledOdd(cpu: u32, slot: u32, root: u32, vpn: u64, payload: u64, word: u32): void {
  let mark: u32 = (word & FW_LIVE) == 0 ? FREED : 0;
  if ((payload & PAY_WRITE) != 0 && load<u32>(frameMetaOf(frameOf(payload)), FM_JUDGED) != 0) mark |= JUDGED;
  if ((payload & PAY_WRITE) != 0 && (word & FW_WATCHED) != 0) {
    for (let target = load<u32>(frameMetaOf(frameOf(payload)), FM_COPY_TO); target != 0; target = load<u32>(frameMetaOf(target), FM_COPY_NEXT)) {
      const to = frameMetaOf(target);
      if (load<u32>(to, FM_COPY_ROOT) == root && load<u64>(to, FM_COPY_VPN) == vpn) mark |= COPIED;
    }
  }
  if (mark != 0) setMark(cpu, slot, mark);
}

/**
 * A store hit `pfn`, the source of open copies. It goes into the CPU's log, as others may hit it in the same bound phase:
 * {pfn << 3 | LOST, root, vpn u64, kind, made}, all but the page u32.
 */
export function noteLost(cpu: u32, pfn: u32, root: u32, vpn: u64, kind: u32, made: u32): void {
  const k = clk(cpu);
  const n = load<u32>(k, CK_LOG_COUNT);
  assert(n + LOST_WORDS <= LOG_MAX);
  const at = k + ckLog + (<usize>n << 2);
  store<u32>(at, (pfn << 3) | LOST);
  store<u32>(at, root, 4);
  store<u64>(at, vpn, 8);
  store<u32>(at, kind, 16);
  store<u32>(at, made, 20);
  store<u32>(k, n + LOST_WORDS, CK_LOG_COUNT);
}

/** A logged store is remembered with each copy until its target is mapped; the first one stands for all. */
export function mergeLost(cpu: u32, at: usize): void {
  const root = load<u32>(at, 4);
  const vpn = load<u64>(at, 8);
  const meta = frameMetaOf(load<u32>(at) >> 3);
  for (let target = load<u32>(meta, FM_COPY_TO); target != 0; target = load<u32>(frameMetaOf(target), FM_COPY_NEXT)) {
    const to = frameMetaOf(target);
    if (load<u32>(to, FM_COPY_ROOT) != root || load<u64>(to, FM_COPY_VPN) != vpn || load<u32>(to, FM_LOST_CPU) != 0) continue;
    store<u32>(to, cpu + 1, FM_LOST_CPU);
    store<u32>(frameSiteAt(target), load<u32>(at, 16), SITE_LOST_KIND);
    store<u32>(frameSiteAt(target), load<u32>(at, 20), SITE_LOST_MADE);
  }
}

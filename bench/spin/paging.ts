/** One address space with a few pages, for models small enough to be written twice. */
import { bit, bits, type ProgramSource, program, pteAt, struct } from "../../src/dsl/index.js";

export const entry = struct("entry", {
  present: bit(0),
  write: bit(1),
  user: bit(2),
  accessed: bit(5),
  dirty: bit(6),
  pfn: bits(12, 40),
});

/** Numbers are handed out in order, so those of the setup are known: page n has frame n + 1. */
export const ROOT = 1;
export const LEAF_TABLE = 4;
export const PCID = 1;

/** Builds the tables and maps pages 0 to pages - 1, with A and D set, so that no access changes them. */
export function populate(pages: number): ProgramSource {
  return program("populate", [], (k) => {
    const rights = entry.of({ present: true, write: true, user: true, accessed: true, dirty: true });
    let above = k.allocTable("root", { level: 3, base: 0 });
    for (const level of [2, 1, 0]) {
      const below = k.allocTable(`level ${level}`, { root: ROOT, level, base: 0 });
      k.write(`link ${level}`, pteAt(above, 0, entry), rights.with({ pfn: below }));
      above = below;
    }
    for (let vpn = 0; vpn < pages; vpn++) {
      const pfn = k.allocFrame(`frame ${vpn}`);
      k.write(`map ${vpn}`, pteAt(above, vpn, entry), rights.with({ pfn }));
    }
  });
}

export function enter(): ProgramSource {
  return program("enter", [], (k) => k.loadCr3("load", ROOT, PCID, false));
}

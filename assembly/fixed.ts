/*
 * What the hot loop looks up at fixed addresses, because computing it, or reading the instance's globals, takes longer: computed from the
 * configuration and the layout, the same by each instance that shares the memory.
 */
import { PAY_DIRTY, PAY_EXEC, PAY_WRITE, structureAt } from "./assoc";
import { CFG_STRUCTURE_OF, config, PWC_PDE, PWC_PDPTE, PWC_PML4E } from "./config";
import { KIND_FETCH, KIND_MODIFY } from "./isa";
import { ANY_SETS, frameWords, lines, radixBits, stateBase, tablePages } from "./layout";
import { HINT_BYTES } from "./offsets";

/** Descriptors as at STRUCTURES, for 4K pages of data and of instructions and for their second level. */
export const ROLE_DATA: usize = 16704;
export const ROLE_CODE: usize = 16720;
export const ROLE_SECOND: usize = 16736;
/** Which of the compiled forms of the hot loop fits the geometry. */
export const SHAPE: usize = 16752;
export const SHAPE_ANY: u32 = 0;
/** Four ways in the first level, twelve in the second, eight and four in paging-structure caches; sets are powers of two. */
export const SHAPE_4: u32 = 1;
/** The same, but for the first level. */
export const SHAPE_WIDE: u32 = 2;
/** Base of the lines' words as if STATE began at address 0, number of its first line, bases of tables and of frame words. */
export const AT_LINES: usize = 16756;
export const AT_LINES_FIRST: usize = 16760;
export const AT_TABLES: usize = 16764;
export const AT_FRAMES: usize = 16768;
/** {u64 what a payload must have, u64 which table of hints} by the kind of a feed record, 16 of them. */
export const KINDS: usize = 16896;

function fits(d: usize, ways: u32): bool {
  return load<u32>(d, 8) == ways && load<u32>(d, 12) != ANY_SETS;
}

/** After plan(). */
export function planFixed(): void {
  for (let role: usize = 0; role < 3; role++) {
    const served = structureAt(config(CFG_STRUCTURE_OF + 3 * <u32>role));
    v128.store(ROLE_DATA + (role << 4), v128.load(served));
  }
  const walks = radixBits == 9 && fits(structureAt(PWC_PDE), 8) && fits(structureAt(PWC_PDPTE), 4) && fits(structureAt(PWC_PML4E), 4);
  store<u32>(SHAPE, !walks || !fits(ROLE_SECOND, 12) ? SHAPE_ANY : fits(ROLE_DATA, 4) ? SHAPE_4 : SHAPE_WIDE);
  store<u32>(AT_LINES, <u32>(lines - (stateBase >> 4)));
  store<u32>(AT_LINES_FIRST, <u32>(stateBase >> 6));
  store<u32>(AT_TABLES, <u32>tablePages);
  store<u32>(AT_FRAMES, <u32>frameWords);
  for (let kind: u32 = 0; kind < 16; kind++) {
    const at = KINDS + (<usize>kind << 4);
    const need = (kind & 1) != 0 ? PAY_WRITE | PAY_DIRTY : 0;
    // What is no access fails the test of the hit loop, whatever page it seems to name.
    store<u64>(at, kind > KIND_MODIFY ? u64.MAX_VALUE : kind == KIND_FETCH ? PAY_EXEC : need);
    store<u64>(at, kind == KIND_FETCH ? HINT_BYTES : 0, 8);
  }
}

/** What the oracle found, as sentences about steps of the kernel. */
import { INVARIANTS } from "../dsl/case.js";
import type { StepPlace, Violation, ViolationExample } from "./result.js";
import type { World } from "./world.js";

const ACCESSES = ["load", "store", "fetch", "store"] as const;

/** Per invariant: how often, and the first in (time, CPU) order. Empty when nothing was violated. */
export function readViolations(world: World): Violation[] {
  const found: Violation[] = [];
  for (const [invariant, name] of INVARIANTS.entries()) {
    let count = 0;
    let first: ViolationExample | undefined;
    for (let cpu = 0; cpu < world.size.cpus; cpu++) {
      const at = recordAt(world, invariant, cpu);
      const here = Number(world.u64[at / 8]!);
      if (here === 0) continue;
      count += here;
      const example = readExample(world, at, cpu, name);
      if (first === undefined || example.time < first.time) first = example;
    }
    if (first !== undefined) found.push({ invariant: name, count, first });
  }
  return found;
}

function recordAt(world: World, invariant: number, cpu: number): number {
  const base = world.value("stBase") + cpu * world.value("stStride");
  return base + world.value("ST_VIOLATIONS") + invariant * world.value("VIOLATION_BYTES");
}

function readExample(
  world: World,
  at: number,
  cpu: number,
  invariant: Violation["invariant"],
): ViolationExample {
  const u32 = (offset: string): number => world.u32[(at + world.value(`VIOLATION_${offset}`)) / 4]!;
  const u64 = (offset: string): bigint => world.u64[(at + world.value(`VIOLATION_${offset}`)) / 8]!;
  const access = ACCESSES[u32("KIND")]!;
  const made = placeOf(world, u32("MADE"));
  const broken = placeOf(world, u32("BROKEN"));
  const va = `0x${(u64("VPN") * 4096n).toString(16)}`;
  return {
    time: Number(u64("TIME")),
    cpu,
    task: Math.max(0, u32("TASK") - 1),
    va,
    access,
    frame: u32("FRAME"),
    made,
    broken,
    text: sentence(invariant, access, va, cpu, u32("FRAME"), made, broken),
  };
}

/** The step that a program counter stands for; null for one that has no place. */
function placeOf(world: World, pc: number): StepPlace | null {
  const site = world.program.sites[world.program.ops[pc]?.site ?? -1];
  if (site === undefined) return null;
  return { routine: site.routine, label: site.label, file: site.file, line: site.line };
}

function sentence(
  invariant: Violation["invariant"],
  access: string,
  va: string,
  cpu: number,
  frame: number,
  made: StepPlace | null,
  broken: StepPlace | null,
): string {
  const what = access === "store" ? "stored to" : access === "fetch" ? "executed" : "read";
  const change = placeText(made, "a page-table change");
  const late = placeText(broken, "the next step");
  const head = `CPU ${cpu} ${what} ${va} in frame ${frame} through a translation that ${change} had made stale`;
  const stored = `CPU ${cpu} stored to ${va} in frame ${frame}`;
  switch (invariant) {
    case "stale-frame":
      return `${head}; ${late} freed the frame without a flush before it`;
    case "stale-right":
      return `${head}; ${late} promised that it was gone without a flush before it`;
    case "lost-write":
      return `${head}; the store is missing from the frame that the page table maps now: a flush was due before ${late}`;
    case "lost-dirty":
      return made === null && access === "store" && broken !== null
        ? `the dirty bit of a store to ${va} in frame ${frame} is gone: ${late}, on CPU ${cpu}, relied on the frame being clean or overwrote the bit unseen`
        : `${stored} and left no dirty bit behind: ${change} had cleared it, and ${late} relied on that without a flush before it`;
    case "stale-table": {
      const freed = placeText(made, "a step that is not known");
      return broken === null
        ? `CPU ${cpu} walked for ${va} through page table ${frame}, which ${freed} had freed`
        : `CPU ${cpu} ${access === "store" ? "changed" : "read"} an entry of page table ${frame} in ${late}, after ${freed} had freed it`;
    }
    case "split-view":
      return `${head}; the page table maps another frame there, and no call is under way that could still flush`;
    case "progress":
      return `CPU ${cpu} may sleep in ${late}, with interrupts off or a spinlock held since ${placeText(made, "an interrupt")}`;
    case "stale-device":
      return `device ${cpu} ${what} ${va} in frame ${frame} through a translation that ${change} had made stale; it should have been told before ${late}`;
  }
}

function placeText(place: StepPlace | null, unknown: string): string {
  return place === null ? unknown : `${place.routine} (${place.label})`;
}

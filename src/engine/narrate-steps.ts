/** What one event is called, and what a step of the kernel read or wrote. */
import type { Case, Doing } from "../dsl/case.js";
import type { Choice } from "../dsl/choices.js";
import type { MicroOp } from "../dsl/program.js";
import type { ReferencePlayer } from "../reference/explore.js";
import type { MachineState } from "../reference/state.js";
import { type Cell, cellName, cellOf, cellValue, valueIn, valueSeen } from "./cells.js";
import type { TraceStep } from "./check-result.js";
import { sourcePlace } from "./source-place.js";

export const ACCESSES = ["load", "store", "fetch"] as const;

/** `vpn`: the page that an access of user mode is to. */
type Place = Pick<TraceStep, "routine" | "label" | "file" | "line" | "path"> & { readonly vpn?: number };

/** The name of an event, seen from the state before it. */
export function placeOfEvent(
  play: Case,
  player: ReferencePlayer,
  choice: Choice,
  pc: number | undefined,
): Place {
  const nowhere = { file: null, line: null, path: [] };
  const hardware = (label: string): Place => ({ routine: "hardware", label, ...nowhere });
  switch (choice.do) {
    case "interrupt":
      return hardware("takes the interrupt");
    case "drain":
      return hardware("a buffered store becomes visible");
    case "broadcast":
      return hardware(`the broadcast of CPU ${choice.index} takes effect`);
    case "liberty": {
      const liberty = play.liberties[choice.index];
      if (liberty === undefined) return hardware("nothing");
      const { may, vpn, kind = 0 } = liberty;
      if (may === "touch")
        return { routine: "user", label: `${ACCESSES[kind]} page ${vpn}`, ...nowhere, vpn };
      return hardware(may === "fill" ? `walks for page ${vpn}` : `evicts page ${vpn}`);
    }
    case "step":
      return pc === undefined ? userPlace(player, choice.cpu) : kernelPlace(play, pc);
  }
}

function userPlace(player: ReferencePlayer, cpu: number): Place {
  const thread = player.threads.find((one) => one.cpu === cpu);
  const item = thread?.does[thread.at];
  const label = item === undefined ? "nothing" : doingText(item);
  const vpn = item !== undefined && "access" in item ? { vpn: item.vpn } : {};
  return { routine: "user", label, file: null, line: null, path: [], ...vpn };
}

function kernelPlace({ program }: Case, pc: number): Place {
  const site = program.sites[program.ops[pc]!.site];
  if (site === undefined) return { routine: "kernel", label: "?", file: null, line: null, path: [] };
  const { routine, label } = site;
  const { file, line } = sourcePlace(site);
  // The label is the last part of the path, and may itself have dots.
  const path = site.path.slice(0, -label.length - 1).split(".");
  return { routine, label, file, line, path };
}

export function doingText(item: Doing): string {
  if ("access" in item) return `${ACCESSES[item.access]} page ${item.vpn}`;
  if ("switchTo" in item)
    return item.switchTo === 2 ** 32 - 1 ? "switch to idle" : `switch to task ${item.switchTo}`;
  return `${item.call}(${item.args.map(String).join(", ")})`;
}

interface ThreadPlace {
  readonly item: number;
  readonly isFaulting: boolean;
}

/** Programs that began since the threads stood at `before`. */
export function beginningsBetween(
  before: readonly ThreadPlace[],
  player: ReferencePlayer,
): TraceStep["begins"] {
  return player.threads.flatMap((thread, at): TraceStep["begins"] => {
    const was = before[at]!;
    if (thread.isFaulting && !was.isFaulting) {
      const item = thread.does[thread.at]!;
      return [{ cpu: thread.cpu, text: `page_fault: ${doingText(item)}` }];
    }
    if (thread.at === was.item) return [];
    const item = thread.does[thread.at];
    return item === undefined || "access" in item ? [] : [{ cpu: thread.cpu, text: doingText(item) }];
  });
}

export interface StepTold {
  readonly text: string;
  readonly cell: Cell | undefined;
  readonly writes: boolean;
}

const READERS = new Set(["LD", "PTE_LD", "MASK_TEST", "MASK_NEXT", "MASK_COUNT", "AWAIT", "RAISE"]);
const LOCKERS = new Set([
  "LOCK",
  "TRYLOCK",
  "RLOCK",
  "WLOCK",
  "UNLOCK",
  "RUNLOCK",
  "WUNLOCK",
  "DOWNGRADE",
  "TRYRLOCK",
]);

/** A read says what it sees, a write what was and what is, a buffered write that nobody else sees it yet. */
export function stepDetail(
  play: Case,
  before: MachineState,
  after: MachineState,
  cpu: number,
  op: MicroOp,
  registers: readonly bigint[],
): StepTold {
  const { program, machine } = play;
  const cell = cellOf(op, registers);
  const value = (register: number): bigint => registers[register] ?? 0n;
  if (cell === undefined) return { text: otherStep(op, value), cell, writes: false };
  const name = cellName(program, machine.radixBits, before, cell);
  const show = (word: bigint): string => cellValue(program, cell, word);
  if (READERS.has(op.op))
    return { text: `${name} is ${show(valueSeen(before, cpu, cell))}`, cell, writes: false };
  const buffered = after.cpus[cpu]!.stores.length > before.cpus[cpu]!.stores.length;
  if (buffered) {
    const written = after.cpus[cpu]!.stores.at(-1)!.value;
    return { text: `${name} = ${show(written)}, in the store buffer`, cell, writes: true };
  }
  const [was, is] = [valueIn(before, cell), valueIn(after, cell)];
  if (LOCKERS.has(op.op)) return { text: `${name} is ${show(is)}`, cell, writes: true };
  return {
    text: was === is ? `${name} stays ${show(is)}` : `${name}: ${show(was)} -> ${show(is)}`,
    cell,
    writes: true,
  };
}

/** Steps that touch no word of memory; what they change is told by the difference of the states. */
function otherStep(op: MicroOp, value: (register: number) => bigint): string {
  switch (op.op) {
    case "INVLPG":
      return `invalidates page ${value(op.c)}`;
    case "FLUSH_PCID":
      return `flushes PCID ${value(op.c)}`;
    case "FLUSH_ALL":
      return "flushes everything";
    case "CR3":
      return `loads root ${value(op.a)}`;
    case "FCOPY":
      return `copies frame ${value(op.a)} to frame ${value(op.b)}`;
    case "FFREE":
      return `frees frame ${value(op.a)}`;
    default:
      return "";
  }
}

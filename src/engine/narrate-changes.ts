/** What became of the machine in one event, in words: translations, page-table entries, frames, interrupts. */
import type { Case } from "../dsl/case.js";
import type { CpuState, MachineState, TlbEntryState } from "../reference/state.js";
import { type Cell, cellName, cellValue, entryText, sameCell } from "./cells.js";

/** A change, and the word that it is about when it is one that only some CPUs care for. */
export interface Change {
  readonly text: string;
  readonly cell?: Cell;
  /** Worth telling, but not worth a line of its own. */
  readonly isMinor?: true;
}

/** Everything but the word that the step itself names. */
export function changesBetween(
  play: Case,
  before: MachineState,
  after: MachineState,
  told: Cell | undefined,
): Change[] {
  const visible = [
    ...entryChanges(play, before, after, told),
    ...after.cpus.flatMap((cpu, at) => tlbChanges(before.cpus[at]!, cpu, at, play.machine.cpus)),
    ...interruptChanges(before, after),
    ...frameChanges(before, after),
  ];
  return [
    ...visible.map((text) => ({ text })),
    ...interruptFlags(before, after),
    ...drained(play, before, after, told),
  ];
}

function entryChanges(
  play: Case,
  before: MachineState,
  after: MachineState,
  told: Cell | undefined,
): string[] {
  return after.tables.flatMap((table, at) => {
    const old = before.tables[at]!;
    // A table that is handed out or given back changes as a whole.
    if (old.live !== table.live) return [];
    const indexes = new Set([...old.entries, ...table.entries].map(({ index }) => index));
    return [...indexes].flatMap((word) => {
      const entryOf = (state: typeof table): bigint =>
        state.entries.find(({ index }) => index === word)?.value ?? 0n;
      const cell = { kind: "pte", record: table.table, word } as const;
      const [was, is] = [entryOf(old), entryOf(table)];
      if (was === is || (told !== undefined && sameCell(told, cell))) return [];
      return [
        `${cellName(play.program, play.machine.radixBits, after, cell)}: ${entryText(was)} -> ${entryText(is)}`,
      ];
    });
  });
}

/** Words that older buffered stores, or a drain, made visible. Entries are told above. */
function drained(play: Case, before: MachineState, after: MachineState, told: Cell | undefined): Change[] {
  const { program, machine } = play;
  return before.cpus.flatMap((cpu, at) => {
    const left = after.cpus[at]!.stores;
    return cpu.stores
      .filter((store) => !left.some((other) => sameCell(other, store) && other.value === store.value))
      .filter((store) => store.kind !== "pte" && !(told !== undefined && sameCell(store, told)))
      .map((cell) => ({
        text: `${cellName(program, machine.radixBits, after, cell)} = ${cellValue(program, cell, cell.value)} is visible`,
        cell,
      }));
  });
}

/** The translation that an access of the CPU would go through, beside what the page table says. */
export function translationUsed(state: MachineState, cpu: number, vpn: number): string | undefined {
  const { pcid, tlb } = state.cpus[cpu]!;
  const used = Object.values(tlb)
    .flat()
    .find((entry) => entry.vpn === vpn && (entry.pcid === pcid || entry.global));
  return used && `through its TLB: ${translationText(used)}`;
}

const translationsOf = (cpu: CpuState): TlbEntryState[] => Object.values(cpu.tlb).flat();
const samePlace = (a: TlbEntryState, b: TlbEntryState): boolean =>
  a.vpn === b.vpn && a.pcid === b.pcid && a.size === b.size;
const sameTranslation = (a: TlbEntryState, b: TlbEntryState): boolean =>
  samePlace(a, b) && a.pfn === b.pfn && a.write === b.write && a.dirty === b.dirty;

function tlbChanges(before: CpuState, after: CpuState, cpu: number, cpus: number): string[] {
  const [old, now] = [translationsOf(before), translationsOf(after)];
  const whose = cpus > 1 ? `TLB of CPU ${cpu}` : "TLB";
  return [
    ...old
      .filter((entry) => !now.some((other) => samePlace(other, entry)))
      .map((entry) => `${whose} loses page ${entry.vpn} -> ${translationText(entry)}`),
    ...now
      .filter((entry) => !old.some((other) => sameTranslation(other, entry)))
      .map((entry) => `${whose} has page ${entry.vpn} -> ${translationText(entry)}`),
  ];
}

function translationText({ pfn, write, dirty }: TlbEntryState): string {
  return [`frame ${pfn}`, ...(write ? ["W"] : []), ...(dirty ? ["D"] : [])].join(" ");
}

function interruptChanges(before: MachineState, after: MachineState): string[] {
  return after.cpus.flatMap((cpu, at) => {
    const old = before.cpus[at]!;
    return [
      ...(cpu.queue.length > old.queue.length ? [`CPU ${at} has a call in its queue`] : []),
      ...(cpu.pending && !old.pending ? [`interrupt for CPU ${at}`] : []),
    ];
  });
}

function interruptFlags(before: MachineState, after: MachineState): Change[] {
  return after.cpus.flatMap(({ irqsOn }, at) =>
    irqsOn === before.cpus[at]!.irqsOn
      ? []
      : [{ text: `interrupts ${irqsOn ? "on" : "off"}`, isMinor: true as const }],
  );
}

function frameChanges(before: MachineState, after: MachineState): string[] {
  const freed = after.generations.flatMap((times, pfn) =>
    times === before.generations[pfn] ? [] : [`frame ${pfn} is free`],
  );
  const taken = before.freeFrames
    .filter((pfn) => !after.freeFrames.includes(pfn))
    .map((pfn) => `frame ${pfn} is taken`);
  const tables = after.tables.flatMap((table, at) => {
    if (table.live === before.tables[at]!.live) return [];
    return [`page table ${table.table} is ${table.live ? "taken" : "free"}`];
  });
  return [...freed, ...taken, ...tables];
}

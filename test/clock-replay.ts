/* Plays what a clock does on machines without time, event by event, while it does it. */
import type { TlbName } from "../src/reference/state.js";
import {
  type AccessKind,
  IDLE_TASK,
  type MachineConfig,
  type MachineState,
  type SteppableMachine,
} from "../src/reference/state.js";
import type { TinyClock } from "./tiny-clock.js";

export const TLBS = ["l1d4k", "l1d2m", "l1d1g", "l1i4k", "l1i2m", "stlb4k", "stlb1g"] as const;
export const PWCS = ["pde", "pdpte", "pml4e"] as const;

/** The configuration of a machine with the sizes and arrays of a clock whose structures are oneSet(l1, l2). */
export function configLike({ world: { size } }: TinyClock, l1: number, l2: number): MachineConfig {
  const { cpus, mms, tasks, tables, frames, radixBits, model, storeBuffer, assist } = size;
  const geometry = TLBS.map((name) => [name, { sets: 1, ways: name.startsWith("stlb") ? l2 : l1 }]);
  const pwc = PWCS.map((name) => [name, { sets: 1, ways: 8 }]);
  return {
    ...{ cpus, mms, tasks, tables, frames, radixBits, model, storeBuffer, assist },
    freeHardware: true,
    geometry: Object.fromEntries(geometry) as MachineConfig["geometry"],
    pwc: Object.fromEntries(pwc) as MachineConfig["pwc"],
    serves: {
      data: ["l1d4k", "l1d2m", "l1d1g"],
      fetch: ["l1i4k", "l1i2m", "l1i2m"],
      second: ["stlb4k", "stlb4k", "stlb1g"],
    },
  };
}

/** How often the clock chose what. */
export type Events = Record<"access" | "begin" | "step" | "deliver" | "drain" | "task", number>;

/** From now on, `machine` does what the clock's world does. The clock must be of the debug build. */
export function follow({ world }: TinyClock, machine: SteppableMachine): Events {
  const { program } = machine;
  const events: Events = { access: 0, begin: 0, step: 0, deliver: 0, drain: 0, task: 0 };
  const registersOf = (cpu: number, count: number): bigint[] => {
    const first = (world.value("hwBase") + cpu * world.value("hwStride") + world.value("HW_REGS")) / 8;
    return Array.from(world.u64.subarray(first, first + count));
  };
  const expect = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`the machine without a clock cannot follow: ${what}`);
  };
  const on: Record<string, (cpu: number, a: number, b: number) => void> = {
    ACCESS: (cpu, vpn, kind) => {
      events.access++;
      machine.access(cpu, vpn, kind as AccessKind);
    },
    BEGIN: (cpu, pc) => {
      events.begin++;
      const entry = program.entries.find((one) => one.pc === pc)!;
      machine.start(cpu, entry.name, registersOf(cpu, entry.args.length));
    },
    STEP: (cpu) => {
      events.step++;
      expect(machine.running(cpu) !== null, `CPU ${cpu} runs no program`);
      expect(machine.step(cpu) !== "disabled", `the step of CPU ${cpu} is disabled`);
    },
    DELIVER: (cpu) => {
      events.deliver++;
      expect(machine.deliver(cpu), `CPU ${cpu} has no interrupt to take`);
    },
    DRAIN_ALL: (cpu) => {
      // What the clock does at once beside stores: broadcasts take effect.
      while (machine.drain(cpu, 0)) events.drain++;
      for (let other = 0; other < machine.config.cpus; other++) machine.complete(other, cpu);
    },
    TASK: (cpu, task) => {
      events.task++;
      machine.setTask(cpu, task === 0 ? IDLE_TASK : task - 1);
    },
  };
  const handlers = Object.entries(on).map(([name, does]) => [world.value(`EVENT_${name}`), does] as const);
  const byNumber = new Map(handlers);
  world.watched.by = (event, cpu, a, b) => byNumber.get(event)!(cpu, Number(a), Number(b));
  return events;
}

/** Without the order of replacement, which is the clock's own affair: it renumbers what it used last, and no verdict depends on it. */
export function withoutAges(state: MachineState): MachineState {
  const cpus = state.cpus.map((cpu) => ({
    ...cpu,
    tlb: Object.fromEntries(
      TLBS.map((name: TlbName) => [name, cpu.tlb[name].map(({ age: _, ...entry }) => entry)]),
    ),
    pwc: Object.fromEntries(PWCS.map((name) => [name, cpu.pwc[name].map(({ age: _, ...entry }) => entry)])),
  }));
  return { ...state, cpus: cpus as unknown as MachineState["cpus"] };
}

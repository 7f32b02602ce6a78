/** The stage on which most scenarios play: Linux's programs on a small machine, with pages that are mapped and used already. */

import type { Argument, Case, CaseMachine, Doing, Liberty, SetupStep, Thread } from "../dsl/case.js";
import { type AnyRecord, assemble, type ProgramSource } from "../dsl/index.js";
import type { KernelOptions, Mutants, Tunables } from "../kernel/options.js";
import { kernelEntries, kernelOptions, kernelRecords } from "../kernel/program.js";
import { withUserHalf } from "../kernel/tlb-user.js";
import { policyNamed, resolveSlots } from "../policy/policies.js";
import type { Policy } from "../policy/policy.js";

export interface Stage {
  /** A name, or a policy of one's own; `deferred` unless said. */
  readonly policy?: string | Policy;
  /** Slots that differ from the policy's. */
  readonly set?: Readonly<Record<string, string>>;
  readonly mutants?: Mutants;
  readonly tunables?: Partial<Tunables>;
  /** The kernel's programs that the threads and the setup call; those that every stage needs are added. */
  readonly entries?: readonly string[];
  /** What is there unless said: `mmap` and `page_fault`, which make pages; they take most of the time to assemble. */
  readonly makesPages?: boolean;
  /** Programs and records of the scenario itself. The kernel's routines want `opt`. */
  readonly extra?: (opt: KernelOptions) => readonly ProgramSource[];
  readonly records?: readonly AnyRecord[];
  readonly machine?: Partial<CaseMachine>;
  readonly setup: readonly SetupStep[];
  readonly threads: readonly Thread[];
  readonly liberties?: readonly Liberty[];
  readonly windows?: readonly string[];
  readonly devices?: readonly number[];
}

const EVERY_STAGE = ["context_switch", "call_function_interrupt"];
const MAKES_PAGES = ["mmap", "page_fault"];

const SMALL: CaseMachine = {
  cpus: 2,
  mms: 2,
  tasks: 4,
  tables: 12,
  frames: 12,
  radixBits: 1,
  model: "tso",
  storeBuffer: 4,
  assist: "strict",
  tlb: { sets: 4, ways: 1 },
  walkCache: 0,
};

/** Assembles the programs and puts the case together. */
export function stage(play: Stage): Case {
  const machine = { ...SMALL, ...play.machine };
  const makers = play.makesPages === false ? [] : MAKES_PAGES;
  const wanted = new Set([...EVERY_STAGE, ...makers, ...(play.entries ?? [])]);
  const policy = typeof play.policy === "object" ? play.policy : policyNamed(play.policy ?? "deferred");
  const slots = resolveSlots(policy, play.set ?? {});
  const { scheme } = policy;
  const target = {
    ...(scheme && { scheme }),
    ...(play.mutants && { mutants: play.mutants }),
    ...(play.tunables && { tunables: play.tunables }),
  };
  const opt = kernelOptions(slots, target);
  for (const { name } of scheme?.programs?.(opt) ?? []) wanted.add(name);
  const program = assemble({
    entries: [
      ...kernelEntries(slots, target).filter(({ name }) => wanted.has(name)),
      ...withUserHalf(play.extra?.(opt) ?? [], opt),
    ],
    records: [...kernelRecords, ...(scheme?.records ?? []), ...(play.records ?? [])],
    cpus: machine.cpus,
    radixBits: machine.radixBits,
    replace: scheme?.routines ?? [],
  });
  return {
    program,
    machine,
    setup: play.setup,
    threads: play.threads,
    liberties: play.liberties ?? [],
    windows: play.windows ?? [],
    ...(play.devices && { devices: play.devices }),
  };
}

export function call(entry: string, ...args: Argument[]): Doing {
  return { call: entry, args };
}

export function load(vpn: number): Doing {
  return { access: 0, vpn };
}

export function store(vpn: number): Doing {
  return { access: 1, vpn };
}

export function switchTo(task: number): Doing {
  return { switchTo: task };
}

/** Tasks 0.. on CPUs 0.., all threads of address space `mm`. */
export function threadsOf(mm: number, cpus: number): SetupStep[] {
  return Array.from({ length: cpus }, (_, cpu): SetupStep[] => [
    { do: "task", task: cpu, mm },
    { do: "switch", cpu, task: cpu },
  ]).flat();
}

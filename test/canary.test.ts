/** Every invariant is broken on the clock by a kernel that lacks a rule, and by no other; and the report says by what. */
import { describe, expect, test } from "vitest";
import type { RunResult } from "../src/engine/result.js";
import { runProgram } from "../src/engine/run.js";
import { MUTANTS, type Mutants } from "../src/kernel/options.js";
import { kernelProgram } from "../src/kernel/program.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { resolveSlots } from "../src/policy/policies.js";
import { LOAD, STORE, type Workload } from "../src/workload/feed.js";
import { PROT_READ, PROT_WRITE, privateWord } from "../src/workload/vma-word.js";
import { type Script, scripted } from "./tiny-workload.js";

const cpus = 4;
/** Pages that share a page table, so that no table is freed when one of them goes. */
const [start, end] = [0x1000, 0x1010];
const page = start + 4;
const readWrite = privateWord(PROT_READ | PROT_WRITE);
/** Cycles after which everybody has started. */
const soon = 30_000;
/** Accesses that last longer than any call here. */
const manyAccesses = 8000;

async function violationsOf(workload: Workload, policy: string, mutants: Mutants): Promise<RunResult["violations"]> {
  const program = kernelProgram(resolveSlots(policy, {}), { cpus, radixBits: 9, mutants });
  const request = { machine: skylakeSp, policy, cpus, seed: 1, workload, workloadName: workload.name };
  return (await runProgram(program, request)).violations;
}

/** Task 0 maps the pages; the others wait for that. Gives what they wait for. */
function mapped(tasks: readonly Script[]): void {
  const rank = tasks[0]!.call("image", start, end, readWrite);
  for (const task of tasks.slice(1)) task.waitCalls(rank);
}

/** One thread uses the page all the time, while another one takes it away. */
const takenAway = scripted([0, 0], (tasks) => {
  mapped(tasks);
  const [taker, user] = tasks as [Script, Script];
  user.access(page, STORE).compute(soon).access(page, LOAD, manyAccesses);
  taker.compute(2 * soon).call("munmap", page, page + 1);
});

/** The same with the right to write. */
const protectedPage = scripted([0, 0], (tasks) => {
  mapped(tasks);
  const [taker, user] = tasks as [Script, Script];
  user.access(page, STORE).compute(soon).access(page, STORE, manyAccesses);
  taker.compute(2 * soon).call("mprotect", page, page + 1, PROT_READ);
});

/** A thread sleeps while its page goes; its CPU stays in the address space. */
const asleep = scripted([0, 0], (tasks) => {
  mapped(tasks);
  const [taker, user] = tasks as [Script, Script];
  user.access(page, STORE);
  taker.compute(2 * soon);
  user.waitCalls(taker.call("munmap", page, page + 1)).access(page, LOAD);
});

/** A thread sleeps while its page goes, and a thread of another process has its CPU meanwhile. */
const switchedOut = scripted([0, 0, 0, 0, 0, 1], (tasks) => {
  mapped(tasks.slice(0, 2));
  const [taker, user] = tasks as [Script, Script];
  const stranger = tasks[1 + cpus]!;
  stranger.compute(8 * soon);
  user.access(page, STORE);
  taker.compute(2 * soon);
  user.waitCalls(taker.call("munmap", page, page + 1)).access(page, LOAD);
});

/**
 * A process forks while one of its threads writes to a page all the time; another thread, which has not written to the
 * page yet, is the first one to copy it.
 */
const copied = scripted([0, 0, 0, null], (tasks) => {
  mapped(tasks.slice(0, 3));
  const [parent, writer, copier, child] = tasks as [Script, Script, Script, Script];
  writer.access(page, STORE).compute(soon).access(page, STORE, 4 * manyAccesses);
  parent.compute(2 * soon);
  const forked = parent.call("fork", 1, child.task);
  parent.start(child.task);
  copier.waitCalls(forked).access(page, STORE);
});

interface Canary {
  readonly title: string;
  readonly workload: Workload;
  readonly invariant: RunResult["violations"][number]["invariant"];
  /** The policy `never`, or a build of today's Linux without a rule. */
  readonly broken: "never" | keyof typeof MUTANTS;
  readonly access: "load" | "store";
  /** CPU of the thread that does what nobody is entitled to. */
  readonly cpu: number;
  /** Routine of the step that changed the page table. */
  readonly made: string;
}

const canaries: Canary[] = [
  { title: "a page is freed", workload: takenAway, invariant: "stale-frame", broken: "never", access: "load", cpu: 1, made: "zap_present_ptes" },
];

describe.each(canaries)("$title: $broken is $invariant", ({ workload, invariant, broken, access, cpu, made }) => {
  test("is noticed, with the step that caused it", async () => {
    const found = await violationsOf(workload, broken === "never" ? "never" : "deferred", broken === "never" ? {} : { [broken]: true });
    console.log(JSON.stringify(found, null, 1));
    const violation = found.find((one) => one.invariant === invariant);
    expect(violation).toBeDefined();
  });
  test.each(["eager", "deferred", "coherent"])("is not there under %s", async (policy) => {
    expect(await violationsOf(workload, policy, {})).toEqual([]);
  });
});

test.each([["takenAway", takenAway], ["protectedPage", protectedPage], ["asleep", asleep], ["switchedOut", switchedOut], ["copied", copied]] as const)("x %s", async (name, w) => {
  for (const m of ["never", "none", ...Object.keys(MUTANTS)]) {
    const v = await violationsOf(w, m === "never" ? "never" : "deferred", m === "never" || m === "none" ? {} : { [m]: true });
    console.log(name, m, JSON.stringify(v.map(({ invariant, count, first }) => [invariant, count, first.cpu, first.access, first.made?.routine, first.made?.label, first.broken?.routine, first.broken?.label])));
  }
});

/** What the kernel's programs are: the same bytes every time, listings that are reviewed, rules of how they are written. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listing, type Program, programHash, REGISTER_LIMIT } from "../src/dsl/index.js";
import { kernelProgram } from "../src/kernel/program.js";
import { policyNames, resolveSlots } from "../src/policy/policies.js";

const TARGET = { cpus: 4, radixBits: 9 };
const GOLDEN = join(import.meta.dirname, "golden");
const KERNEL = join(import.meta.dirname, "../src/kernel");
const REVIEWED = [
  "munmap",
  "mprotect",
  "page_fault",
  "fork",
  "userfaultfd_writeprotect",
  "clear_refs",
  "task_numa_work",
  "ksm_merge",
  "msync",
  "reclaim",
  "context_switch",
  "call_function_interrupt",
];
const ENTRIES = [
  "mmap",
  "munmap",
  "mprotect",
  "madvise",
  "brk",
  "mremap",
  "fork",
  "exit",
  "exec",
  "image",
  "uffd_fill",
  "userfaultfd_writeprotect",
  "clear_refs",
  "task_numa_work",
  "ksm_merge",
  "msync",
  "reclaim",
  "page_fault",
  "context_switch",
  "call_function_interrupt",
];

const programs = new Map<string, Program>();
function programOf(policy: string): Program {
  const known = programs.get(policy) ?? kernelProgram(resolveSlots(policy, {}), TARGET);
  programs.set(policy, known);
  return known;
}

describe.each(policyNames)("policy %s", (policy) => {
  test("has every entry", () => {
    expect(programOf(policy).entries.map(({ name }) => name)).toEqual(ENTRIES);
  });

  test("assembles to the same bytes every time", () => {
    const again = kernelProgram(resolveSlots(policy, {}), TARGET);
    expect(programHash(again)).toBe(programHash(programOf(policy)));
  });

  test("fits into the registers of a CPU", () => {
    expect(programOf(policy).registers).toBeLessThanOrEqual(REGISTER_LIMIT);
  });
});

test("a machine without PCIDs gives another program", () => {
  const without = kernelProgram(resolveSlots("deferred", {}), { ...TARGET, pcid: false });
  expect(programHash(without)).not.toBe(programHash(programOf("deferred")));
});

describe("listings under today's Linux", () => {
  test.each(REVIEWED)("%s reads as reviewed", (entry) => {
    const file = join(GOLDEN, `${entry}.listing`);
    const text = listing(programOf("deferred"), entry);
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
    expect(existsSync(file), `${file} is missing: run with UPDATE_GOLDEN=1`).toBe(true);
    expect(text).toBe(readFileSync(file, "utf8"));
  });
});

describe("how mechanisms are written", () => {
  const files = readdirSync(KERNEL).map((name) => [name, readFileSync(join(KERNEL, name), "utf8")] as const);

  test("every routine says which Linux function it stands for", () => {
    const silent = files.flatMap(([name, text]) => {
      const routines = [
        ...text.matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?(?:export )?const (\w+) = routine\(/g),
      ];
      return routines
        .filter(([, comment]) => !/Source: /.test(comment ?? ""))
        .map(([, , routine]) => `${name}: ${routine}`);
    });
    expect(silent).toEqual([]);
  });

  test("a JS `if` tests only what is known at assembly", () => {
    const others = files.flatMap(([name, text]) =>
      text
        .split("\n")
        .filter((line) => /^\s*(?:\} else )?if \(/.test(line) && !/if \(!?(?:tlb\.)?opt\./.test(line))
        .map((line) => `${name}: ${line.trim()}`),
    );
    expect(others).toEqual([]);
  });
});

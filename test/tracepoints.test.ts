import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../src/trace/errors.js";
import type { ReaderOptions } from "../src/trace/event.js";
import { parseFtraceLine } from "../src/trace/ftrace.js";
import { parsePerfLine } from "../src/trace/perf.js";
import { tracepointFact } from "../src/trace/tracepoint-event.js";
import { TracepointReader } from "../src/trace/tracepoints.js";
import { damage, damaged, eventsOf, linesOf } from "./trace-text.js";

const perf = (text: string, options: ReaderOptions = {}): TracepointReader =>
  new TracepointReader(linesOf(text), parsePerfLine, "perf", options);
const ftrace = (text: string, options: ReaderOptions = {}): TracepointReader =>
  new TracepointReader(linesOf(text), parseFtraceLine, "ftrace", options);

/** Lines of real recordings (perf 6.1, Linux 6.18), shortened to what differs. */
const perfText = `# captured on: Sat Nov 21
         apache2 22088/22093 [001]  6963.616001:                 tlb:tlb_flush: pages:29 reason:remote shootdown (1)
     GC Thread#0 22088/22089 [001]  6963.616002:    exceptions:page_fault_user: address=0xf6632000 ip=0x7f8592071b75 error_code=0x6
         apache2 22088/22093 [000]  6963.616003:       syscalls:sys_enter_mmap: addr: 0x00000000, len: 0x0001d000, prot: 0x00000001, flags: 0x00000001, fd: 0x0000000c, off: 0x00001000
         apache2 22088/22093 [000]  6963.616004:        syscalls:sys_exit_mmap: 0x7f2e340bb000
         apache2 22088/22093 [000]  6963.616005:  exceptions:page_fault_kernel: address=0x7f2e340bb000 ip=_copy_from_iter error_code=0x0
         apache2 22088/22093 [000]  6963.616006:     syscalls:sys_enter_munmap: addr: 0x7f2e340bb000, len: 0x0001d000
         apache2 22088/22093 [000]  6963.616007:                 tlb:tlb_flush: pages:29 reason:local MM shootdown (3)
         apache2 22088/22093 [000]  6963.616008:      syscalls:sys_exit_munmap: 0x0
         apache2 22088/22093 [000]  6963.616009:            sched:sched_switch: prev_comm=apache2 prev_pid=22093 prev_prio=120 prev_state=D ==> next_comm=swapper/0 next_pid=0 next_prio=120
         apache2 22088/22093 [000]  6963.616010:     syscalls:sys_enter_munmap: addr: 0x7f2e340bb001, len: 0x0001d000
         apache2 22088/22093 [000]  6963.616011:      syscalls:sys_exit_munmap: 0xffffffffffffffea
`;

describe("perf script", () => {
  test("calls take effect, faults are accesses, and the rest is only counted", async () => {
    const reader = perf(perfText);
    expect(await eventsOf(reader)).toEqual([
      { name: "access", thread: 0, kind: 1, address: 0xf6632000, size: 1 },
      { name: "thread", thread: 0, child: 1 },
      ...[{ name: "mmap", thread: 1, start: 0x7f2e340bb000, length: 0x1d000, prot: 1, shared: true }].map(
        (call) => ({ ...call, fd: 12, offset: 0x1000 }),
      ),
      { name: "access", thread: 1, kind: 0, address: 0x7f2e340bb000, size: 1 },
      { name: "munmap", thread: 1, start: 0x7f2e340bb000, length: 0x1d000 },
    ]);
    expect(reader.counts).toMatchObject({ lines: 12, failed: 1, skipped: 0, threads: 2 });
    expect([...reader.counts.calls]).toEqual([
      ["mmap", 1],
      ["munmap", 2],
    ]);
  });

  test.each([
    [
      "swapper/0     0 [000]     1.000001: tlb:tlb_flush: x",
      { tid: 0, pid: undefined, cpu: 0, time: 1000001 },
    ],
    ["GC Thread#0 7 [012] 5.1234567: a:b: x", { tid: 7, cpu: 12, time: 5123456.7 }],
    ["a-1 [2] 3 8/9 [001] 2.000000: 1 sys:b: x", { pid: 8, tid: 9, event: "b" }],
    ["kworker/0:1-ev 15 [000] 2.5e: x", undefined],
    ["x 1 [000] 1.000000: nothing", undefined],
  ])("the name of a command may hold anything: %s", (line, expected) => {
    const parsed = parsePerfLine(line);
    if (expected === undefined) expect(parsed).toBeUndefined();
    else expect(parsed).toMatchObject(expected);
  });

  test("a call chain and empty lines say nothing", async () => {
    const text = `a 1 [000] 1.000000: x:page_fault_user: address=0x5000 ip=0x1 error_code=0x4
\t    7f8592071b75 main+0x5 (/bin/a)\n\n`;
    expect(await eventsOf(perf(text))).toHaveLength(1);
  });

  test("a child with its own process number is a process, whenever its first line comes", async () => {
    const line = (ids: string, text: string): string => `a ${ids} [000] 1.000000: ${text}\n`;
    const fault = "exceptions:page_fault_user: address=0x5000 ip=0x1 error_code=0x4";
    const fork = "sched:sched_process_fork: comm=a pid=1 child_comm=a child_pid=2";
    const names = async (child: string): Promise<string[]> =>
      (await eventsOf(perf(line("1/1", fork) + line("1/1", fault) + line(child, fault)))).map(
        ({ name }) => name,
      );
    expect(await names("1/2")).toEqual(["thread", "access", "access"]);
    expect(await names("2/2")).toEqual(["fork", "access", "access"]);
  });

  test("a call with a range of nothing, or beyond user space, is told with its line", async () => {
    const line = (text: string): string => `a 1/1 [000] 1.000000: syscalls:sys_${text}\n`;
    for (const [call, result] of [
      ["munmap: addr: 0x1000, len: 0x0", "munmap: 0x0"],
      ["munmap: addr: 0x7ffffffff000, len: 0xffffffffffffffff", "munmap: 0x0"],
      ["mmap: addr: 0x0, len: 0x1000, prot: 0x1, flags: 0x22, fd: 0x0, off: 0x0", "mmap: 0x800000000000"],
    ]) {
      const text = line(`enter_${call}`) + line(`exit_${result}`);
      await expect(eventsOf(perf(text))).rejects.toThrow(/:2: expected \w+ of a range of at least a byte/);
      const reader = perf(text, { lenient: true });
      expect(await eventsOf(reader)).toEqual([]);
      expect(reader.counts.skipped).toBe(1);
    }
  });

  test("a process that nobody was seen to fork has an address space of its own", async () => {
    const fault = "exceptions:page_fault_user: address=0x5000 ip=0x1 error_code=0x4\n";
    const events = await eventsOf(perf(`a 1/1 [000] 1.000000: ${fault}b 2/2 [000] 1.000000: ${fault}`));
    expect(events.map(({ name }) => name)).toEqual(["access", "fork", "exec", "access"]);
  });

  test("raw_syscalls are read by number", () => {
    const fact = (event: string, text: string): unknown =>
      tracepointFact({ tid: 1, pid: 1, cpu: 0, time: 0, event, text });
    expect(fact("sys_enter", "NR 11 (7f0000001000, 2000, 0, 0, 0, 0)")).toMatchObject({
      ...{ kind: "enter", name: "munmap", args: [0x7f0000001000, 0x2000, 0, 0, 0, 0] },
    });
    expect(fact("sys_exit", "NR 11 = -22")).toEqual({ kind: "exit", name: "munmap", value: -22 });
    expect(fact("sys_enter", "NR 0 (3, 5, 6, 0, 0, 0)")).toEqual({ kind: "other" });
  });
});

const ftraceText = `# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
   stress-ng-22110   [001] .....  6966.315211: sys_mprotect(start: 0x7f32a3ca9000, len: 0x4b000, prot: 0)
   stress-ng-22110   [001] .....  6966.315224: sys_mprotect -> 0x0
CPU:1 [LOST 7 EVENTS]
   stress-ng-22110   [001] .....  6966.325914: sys_clone(clone_flags: 0x1200011, newsp: 0, parent_tidptr: 0, child_tidptr: 0x7f32a2b08fd0, tls: 0)
   stress-ng-22110   [001] .....  6966.326118: sched_process_fork: comm=stress-ng pid=22110 child_comm=stress-ng child_pid=22112
   stress-ng-22110   [001] .....  6966.326125: sys_clone -> 0x5660
 a b-c-2-22112   [001] d..1.  6966.326126: sys_clone -> 0x0
 a b-c-2-22112   [001] d....  6966.326127: page_fault_user: address=0x7f32a3ca9008 ip=0x7f32a3e1 error_code=0x14
 a b-c-2-22112   [001] .....  6966.326128: sched_process_exit: comm=a b-c-2 pid=22112 prio=120 group_dead=true
`;
const ftraceEvents = [
  { name: "mprotect", thread: 0, start: 0x7f32a3ca9000, length: 0x4b000, prot: 0 },
  { name: "fork", thread: 0, child: 1 },
  { name: "access", thread: 1, kind: 2, address: 0x7f32a3ca9008, size: 1 },
  { name: "exit", thread: 1 },
];

describe("ftrace", () => {
  test("calls, a fork by the flags of clone, a fetch, an exit", async () => {
    const reader = ftrace(ftraceText);
    expect(await eventsOf(reader)).toEqual(ftraceEvents);
    expect(reader.counts).toMatchObject({ lines: 11, threads: 2 });
  });

  test("trace-cmd's output: no column of flags, and calls as tracepoints", async () => {
    const text = `cpus=2\n${ftraceText
      .replace(/^#.*\n/gm, "")
      .replaceAll(/ (?:\.{5}|d\.{4}|d\.\.1\.) /g, " ")
      .replaceAll(/sys_(\w+)\((.*)\)$/gm, "sys_enter_$1:   $2")
      .replaceAll(/sys_(\w+) -> (\w+)$/gm, "sys_exit_$1:    $2")}`;
    expect(text).toContain("22110   [001]  6966.315224: sys_exit_mprotect:    0x0");
    expect(await eventsOf(ftrace(text))).toEqual(ftraceEvents);
    const next = { kind: "switch", next: 9, nextComm: "a:b" };
    const place = { tid: 1, pid: 1, cpu: 0, time: 0, event: "sched_switch" };
    expect(tracepointFact({ ...place, text: "x:1 [120] S ==> a:b:9 [120]" })).toEqual(next);
  });

  test("a column of thread groups is read", () => {
    expect(parseFtraceLine("a-7 (  5) [000] d..1. 1.000000: b: c")).toMatchObject({ tid: 7, pid: 5 });
    expect(parseFtraceLine("<...>-7 (-------) [000] d..1. 1.000000: b: c")).toMatchObject({ pid: undefined });
  });
});

describe("what cannot be read", () => {
  const bad: readonly (readonly [string, string, string])[] = [
    ["a fault without an address", "page_fault_user: ip=0x1 error_code=0x4", "a fault with address="],
    ["a call with too few arguments", "sys_enter_munmap: addr: 0x1000", "the 2 arguments of munmap"],
    ["an argument that is no number", "sys_enter_brk: brk: heap", "the 1 arguments of brk"],
    ["a result that is no number", "sys_exit_munmap: ok", "a result of munmap"],
    ["a flush without a reason", "tlb_flush: pages:1", "a flush with pages: and reason:"],
    ["a switch to nobody", "sched_switch: prev_comm=a prev_pid=1 ==>", "a switch with ==>"],
  ];
  test.each(bad)("%s is refused with its line, or passed over", async (_, text, expected) => {
    const line = `a-1 [000] ..... 1.000000: ${text}\n`;
    const good = "a-1 [000] ..... 1.000000: page_fault_user: address=0x5000 ip=0x1 error_code=0x4\n";
    await expect(eventsOf(ftrace(good + line))).rejects.toThrow(
      new RegExp(`^test\\.log:2: expected ${expected.replace("(", "\\(")}.*, saw "a-1 `),
    );
    const reader = ftrace(good + line + good, { lenient: true });
    expect(await eventsOf(reader)).toHaveLength(2);
    expect(reader.counts).toMatchObject({ lines: 3, skipped: 1 });
  });

  test("a NUL in a line, a line of another kind", async () => {
    await expect(eventsOf(perf("a 1 [000] 1.000000: b:c: \0\n"))).rejects.toThrow(/^test\.log:1: expected/);
    await expect(eventsOf(perf(`${perfText}hello\n`))).rejects.toThrow(/^test\.log:13: .* saw "hello"/);
  });

  test("a huge line takes no time", async () => {
    const started = performance.now();
    for (const piece of [" ", "1 ", "-1 ", "[0] ", "a 1 [000] 1.0", " ==> next_comm=", "x:"]) {
      const line = piece.repeat(60_000 / piece.length);
      expect(parsePerfLine(`q${line}`)).toBeUndefined();
      expect(parseFtraceLine(`q${line}`)).toBeUndefined();
      await eventsOf(ftrace(`a-1 [000] ..... 1.000000: sched_switch: ${line}\n`, { lenient: true }));
    }
    expect(performance.now() - started).toBeLessThan(5000);
    await expect(eventsOf(perf("a".repeat(70_000)))).rejects.toThrow(/a line of at most 65536 bytes/);
  });

  test.each(["\n", "\r\n"])("damaged recordings are read, or refused with the place", async (end) => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("perf", "ftrace"), damage, async (format, hits) => {
        const text = (format === "perf" ? perfText : ftraceText).replaceAll("\n", end);
        const reader = new TracepointReader(
          linesOf(damaged(text, hits)),
          format === "perf" ? parsePerfLine : parseFtraceLine,
          format,
        );
        try {
          await eventsOf(reader);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect((error as InputError).message).toMatch(/^test\.log:\d+: expected .+, saw .+/);
        }
      }),
      { numRuns: 300 },
    );
  });
});

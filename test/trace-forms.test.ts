import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openTrace, recordings } from "../src/trace/format.js";
import { eventText, traceEvents } from "../src/trace/inspect.js";
import { LackeyReader } from "../src/trace/lackey.js";
import { StraceReader } from "../src/trace/strace.js";
import { eventsOf, linesOf } from "./trace-text.js";

async function strace(text: string): Promise<string[]> {
  return (await eventsOf(new StraceReader(linesOf(text), "strace"))).map(eventText);
}

async function lackey(text: string): Promise<string[]> {
  return (await eventsOf(new LackeyReader(linesOf(text), "lackey"))).map(eventText);
}

describe("forms of lackey lines", () => {
  test("a thread switch may follow the result of clone without a newline", async () => {
    const text = `--7--   SCHED[1]:  acquired lock (thread_wrapper(starting new thread))
SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5, 0x5, 0x5, 0x5 ) --> [pre-success] Success(0x50c3) --7--   SCHED[1]: releasing lock (VG_(vg_yield)) -> VgTs_Yielding
--7--   SCHED[2]:  acquired lock (thread_wrapper(starting new thread))
I  04a54b42,3
`;
    expect(await lackey(text)).toEqual(["0 thread child 1", "1 fetch 0x4a54b42 3"]);
  });

  test("an access may follow the result of clone without a newline", async () => {
    const text = `SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5, 0x5, 0x5, 0x5 ) --> [pre-success] Success(0x50c3)  L 1fff000000,8
I  04a54b42,3
SYSCALL[7,2](11) sys_munmap ( 0x483c000, 4096 )[sync] --> Success(0x0) 
`;
    const events = [
      "0 load 0x1fff000000 8",
      "0 fetch 0x4a54b42 3",
      "0 thread child 1",
      "1 munmap start 0x483c000 length 4096",
    ];
    expect(await lackey(text)).toEqual(events);
  });

  test("a thread id that is used again is a new thread", async () => {
    const start = (tid: number): string =>
      `--7--   SCHED[${tid}]:  acquired lock (thread_wrapper(starting new thread))\n`;
    const back = "--7--   SCHED[2]: release lock in VG_(exit_thread)\n--7--   SCHED[1]:  acquired lock (x)\n";
    const text = `${start(1)}${start(2)} L 04000000,4\n${back}${start(2)} L 04000000,4\n${back} L 04000000,4\n`;
    expect(await lackey(text)).toEqual([
      ...["0 thread child 1", "1 load 0x4000000 4", "1 exit"],
      ...["0 thread child 2", "2 load 0x4000000 4", "2 exit", "0 load 0x4000000 4"],
    ]);
  });

  test("a result may follow on a line of its own, behind a message", async () => {
    const text = `SYSCALL[7,1](435) unimplemented (by the kernel) syscall: 435! (ni_syscall)
 --> [pre-fail] Failure(0x26) 
SYSCALL[7,1](11) sys_munmap ( 0x483c000, 4096 )==7== Warning: something
[sync] --> Success(0x0) 
SYSCALL[7,1](15) sys_rt_sigreturn ( ) --> [pre-success] NoWriteResult 
SCHEDSETJMP(line 1211) tid 7, jumped=1476724588
SYSCALL[7,1](56) sys_clone ( 1200011, 0x0, 0x0, 0x4, 0x0 )   clone(fork): process 7 created child 9
 --> [pre-success] Success(0x9) 
`;
    const reader = new LackeyReader(linesOf(text), "lackey");
    const events = (await eventsOf(reader)).map(eventText);
    expect(events).toEqual(["0 munmap start 0x483c000 length 4096", "0 fork child 1", "1 exit"]);
    expect(Object.fromEntries(reader.counts.calls)).toEqual({
      ni_syscall: 1,
      munmap: 1,
      rt_sigreturn: 1,
      clone: 1,
    });
  });

  test("calls that failed have no effect, and are counted", async () => {
    const text = `SYSCALL[7,1](25) sys_mremap ( 0x5a2c000, 65536, 131072, 0x1 ) --> [pre-fail] Failure(0x16) 
SYSCALL[7,2](28) sys_madvise ( 0x5a30000, 4096, 4 ) --> [async] ... 
SYSCALL[7,2](28) ... [async] --> Failure(0xc) 
`;
    const reader = new LackeyReader(linesOf(text), "lackey");
    expect(await eventsOf(reader)).toEqual([{ name: "thread", thread: 0, child: 1 }]);
    expect(reader.counts).toMatchObject({ failed: 2, joined: 1 });
  });
});

describe("forms of strace lines", () => {
  test("without -o, the first thread has an id only while there are others", async () => {
    const text = `     0.000105 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000
     0.000114 clone3({flags=CLONE_VM|CLONE_THREAD, tls=0x7f0}strace: Process 4758 attached
 => {parent_tid=[4758]}, 88) = 4758
[pid  4758]      0.000199 munmap(0x7f0000000000, 4096 <unfinished ...>
[pid  4757]      0.000009 wait4(-1,  <unfinished ...>
[pid  4758]      0.000025 <... munmap resumed>) = 0
[pid  4758]      0.000003 +++ exited with 0 +++
     0.000010 <... wait4 resumed>NULL, 0, NULL) = 4758
     0.000010 munmap(0x7f0000001000, 8192) = 0
`;
    expect(await strace(text)).toEqual([
      ...["0 mmap start 0x7f0000000000 length 4096 prot 1 shared false fd 3 offset 0", "0 thread child 1"],
      ...["1 munmap start 0x7f0000000000 length 4096", "1 exit", "0 munmap start 0x7f0000001000 length 8192"],
    ]);
  });

  test("a child whose lines come before the line that names it is waited for", async () => {
    const text = `7 brk(NULL) = 0x20000000
8 munmap(0x7f0000000000, 4096) = 0
7 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 8
7 munmap(0x7f0000001000, 4096) = 0
`;
    const events = [
      "0 brk end 0x20000000",
      "0 fork child 1",
      "1 munmap start 0x7f0000000000 length 4096",
      "0 munmap start 0x7f0000001000 length 4096",
    ];
    expect(await strace(text)).toEqual(events);
  });

  test("a thread that was there before the recording joins the first process", async () => {
    expect(await strace("7 brk(NULL) = 0x20000000\n9 munmap(0x7f0000000000, 4096) = 0\n")).toEqual([
      ...["0 brk end 0x20000000", "0 thread child 1", "1 munmap start 0x7f0000000000 length 4096"],
    ]);
    const many = `${"7 munmap(0x7f0000000000, 4096) = 0\n".repeat(1500)}7 exit(0) = ?\n`;
    const events = await strace(`7 brk(NULL) = 0x20000000\n9 munmap(0x7f0000009000, 4096) = 0\n${many}`);
    expect(events.indexOf("0 thread child 1")).toBe(1001);
  });

  test("an munmap counts from its beginning, an mmap from its end", async () => {
    const text = `7 clone3({flags=CLONE_VM}, 88) = 8
7 mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>
8 munmap(0x7f0000000000, 8192 <unfinished ...>
7 <... mmap resumed>) = 0x7f0000000000
8 <... munmap resumed>) = 0
`;
    expect(await strace(text)).toEqual([
      ...[
        "0 thread child 1",
        "1 munmap start 0x7f0000000000 length 8192",
        "0 mmap start 0x7f0000000000 length 8192 prot 0 shared false fd -1 offset 0",
      ],
    ]);
  });

  test("vfork makes a process, and execve replaces its memory", async () => {
    const text = `4781  vfork( <unfinished ...>
4782  execve("/usr/bin/ls", ["ls", "a(b) = 3"], 0x5604b4846a00 /* 35 vars */ <unfinished ...>
4781  <... vfork resumed>)              = 4782
4782  <... execve resumed>)             = 0
4782  exit_group(0)                     = ?
4782  +++ exited with 0 +++
4781  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=4782} ---
`;
    expect(await strace(text)).toEqual(["0 fork child 1", "1 exec", "1 exit"]);
  });

  test("a thread that executes a program takes on the id of the first", async () => {
    const text = `7 clone3({flags=CLONE_VM}, 88) = 8
7 futex(0x7f00, FUTEX_WAIT <unfinished ...>
8 execve("/bin/x", ["x"], 0x7ff <pid changed to 7 ...>
7 +++ superseded by execve in pid 8 +++
7 <... execve resumed>) = 0
7 brk(NULL) = 0x20000000
`;
    expect(await strace(text)).toEqual(["0 thread child 1", "1 exit", "0 exec", "0 brk end 0x20000000"]);
  });

  test("what has no result has no effect", async () => {
    const text = `7 munmap(0x7f0000000000, 4096 <unfinished ...>
7 +++ killed by SIGKILL (core dumped) +++
8 munmap(0x7f0000001000, 4096) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
8 munmap(0xffff800000001000, 4096) = -1 EINVAL (Invalid argument) <0.000005>
8 munmap(0x7f0000003000, 4096 <detached ...>
`;
    expect(await strace(text)).toEqual(["0 exit"]);
  });

  test("the files of strace -ff are one recording, in the order of its times", async () => {
    const folder = await mkdtemp(join(tmpdir(), "shootdown-"));
    const files = {
      "run.8": "12:00:01.5 munmap(0x7f0000000000, 8192) = 0 <0.4>\n12:00:05.0 +++ exited with 0 +++\n",
      "run.7": `12:00:00.1 clone3({flags=CLONE_VM}, 88) = 8 <0.1>
12:00:01.4 mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000 <0.5>
`,
      other: "7 munmap(0x7f0000000000, 8192) = 0\n",
    };
    const paths: string[] = [];
    for (const [name, text] of Object.entries(files)) {
      paths.push(join(folder, name));
      await writeFile(paths.at(-1)!, text);
    }
    const [threads, single] = [[paths[0]!, paths[1]!], [paths[2]!]];
    expect((await recordings(paths)).map(({ files }) => files)).toEqual([threads, single]);
    const events: string[] = [];
    for await (const event of traceEvents(threads)) events.push(eventText(event));
    expect(events).toEqual([
      ...[
        "0 thread child 1",
        "1 munmap start 0x7f0000000000 length 8192",
        "0 mmap start 0x7f0000000000 length 8192 prot 0 shared false fd -1 offset 0",
        "1 exit",
      ],
    ]);
    await writeFile(paths[0]!, "munmap(0x7f0000000000, 8192) = 0\n");
    await expect(eventsOf(await openTrace(threads))).rejects.toMatchObject({ file: paths[0], line: 1 });
  });
});

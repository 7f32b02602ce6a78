import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DrmemtraceReader } from "../src/trace/drmemtrace.js";
import { DrmemtraceViewReader } from "../src/trace/drmemtrace-view.js";
import { eventText } from "../src/trace/inspect.js";
import { drRecord, threadBytes } from "./drmemtrace-bytes.js";
import { bytesOf, eventsOf, linesOf } from "./trace-text.js";

const view = (text: string, options = {}): DrmemtraceViewReader =>
  new DrmemtraceViewReader(linesOf(text), "drmemtrace-view", options);
const lines = async (text: string): Promise<string[]> => (await eventsOf(view(text))).map(eventText);

/** A record as a type and its two numbers, and as view prints it behind the thread. */
interface Both {
  readonly record: readonly [number, number, number];
  readonly text: string;
}
const hex = (value: number): string => `0x${value.toString(16).padStart(16, "0")}`;
const address = fc.integer({ min: 1, max: 2 ** 47 - 4096 });
const size = fc.integer({ min: 1, max: 64 });
const data = fc.tuple(fc.constantFrom(0, 1), size, address).map(([type, bytes, at]): Both => {
  const name = ["read ", "write"][type]!;
  return { record: [type, bytes, at], text: `${name}       ${bytes} byte(s) @ ${hex(at)} by PC ${hex(at)}` };
});
const instruction = fc.tuple(fc.constantFrom(10, 14, 16, 48, 49, 29), size, address).map(
  ([type, bytes, at]): Both => ({
    record: [type, bytes, at],
    text: `ifetch       ${bytes} byte(s) @ ${hex(at)} 48 89 e7             mov    %rsp, %rdi`,
  }),
);
const sorted = fc.oneof({ weight: 3, arbitrary: data }, { weight: 4, arbitrary: instruction });

function viewText(records: readonly Both[]): string {
  let [ordinal, fetched] = [0, 0];
  const rows = records.map(({ record: [type], text }) => {
    if (type >= 10 && type !== 29) fetched++;
    return `${String(++ordinal).padStart(12)} ${String(fetched).padStart(11)}:   W0.T1 ${text}`;
  });
  return `Output format:\n<--record#-> <--instr#->: <Wrkld.Tid> <record details>\n${"-".repeat(60)}\n${rows.join("\n")}\n`;
}

test("the text of a recording has the events of its binary file", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sorted, { maxLength: 80 }), async (records) => {
      const bytes = threadBytes(
        1,
        1,
        records.map(({ record }) => drRecord(...record)),
      );
      const binary = new DrmemtraceReader("a.trace", [bytesOf(bytes)], "drmemtrace");
      const reader = view(viewText(records));
      // The text has no line for the end of a thread that is cut out of it.
      const expected = (await eventsOf(binary)).filter(({ name }) => name !== "exit");
      expect(await eventsOf(reader)).toEqual(expected);
      expect(reader.counts.others.get("noFetch")).toBe(binary.counts.others.get("noFetch"));
    }),
    { numRuns: 200 },
  );
});

const excerpt = `Output format:
<--record#-> <--instr#->: <Wrkld.Tid> <record details>
------------------------------------------------------------
           1           0:   W0.T24814 <marker: version 7>
           2           0:   W0.T24814 <marker: filetype 0xe40>
           6           0:   W0.T24814 <marker: timestamp 13439674725957964>
           7           0:   W0.T24814 <marker: W0.T24814 on core 1>
           8           1:   W0.T24814 ifetch       3 byte(s) @ 0x00007ff2f27e4b70 48 89 e7             mov    %rsp, %rdi
      401900      297214:   W0.T24814 <marker: system call 11>
      401901      297214:   W0.T24814 <marker: function==syscall #11>
      401902      297214:   W0.T24814 <marker: function argument 0x7ff2f2a30000>
      401903      297214:   W0.T24814 <marker: function argument 0x9257>
      401904      297214:   W0.T24814 <marker: function==syscall #11>
      401905      297214:   W0.T24814 <marker: function return value 0x0>
------------------------------------------------------------
      401906      297215:   W0.T24815 ifetch      11 byte(s) @ 0x00007ff2f27dd830 48 c7 05 cd 09 02 00 movq   $0x00000000, <rel> 0x00007ff2f27fe208
      401906      297215:   W0.T24815                                             00 00 00 00
      401907      297215:   W0.T24815 write        8 byte(s) @ 0x00007ff2f27fe208 by PC 0x00007ff2f27dd830
      401908      297215:   W0.T24815 pref-r-L1    1 byte(s) @ 0x00007ff2f27fe208 by PC 0x00007ff2f27dd830
      401909      297215:   W0.T24815 <thread W0.T24815 exited>
View tool results:
         297215 : total instructions
`;
const events = [
  ...["0 fetch 0x7ff2f27e4b70 3", "0 munmap start 0x7ff2f2a30000 length 37463", "0 thread child 1"],
  ...["1 fetch 0x7ff2f27dd830 11", "1 store 0x7ff2f27fe208 8", "1 exit"],
];

describe("what the tool prints", () => {
  test("is read with its markers, its spilled encodings and its frame", async () => {
    expect(await lines(excerpt)).toEqual(events);
  });

  test("is read as older versions print it: threads without a workload, no disassembly, CRLF", async () => {
    const older = excerpt
      .replaceAll(/W0\.T(\d)/g, "$1")
      .replaceAll(/48 .*$/gm, "non-branch")
      .replaceAll("\n", "\r\n");
    expect(await lines(older)).toEqual(events);
  });

  test("may have a thread that begins after the last one has ended", async () => {
    const line = (tid: number, text: string): string => `  1  0:   W0.T${tid} ${text}\n`;
    const read = "read         8 byte(s) @ 0x0000000000001000 by PC 0x0000000000000000";
    const text = line(1, read) + line(1, "<thread W0.T1 exited>") + line(2, read);
    expect(await lines(text)).toEqual(["0 load 0x1000 8", "0 thread child 1", "0 exit", "1 load 0x1000 8"]);
  });

  test.each([
    ["a cut line", "  1  1:   W0.T1 read         8 byte(s) @ 0x00007"],
    [
      "an address beyond 48 bits",
      "  1  1:   W0.T1 read 8 byte(s) @ 0x0100000000000000 by PC 0x0000000000000000\n",
    ],
    ["another workload", "  1  1:   W1.T1 read 8 byte(s) @ 0x0000000000001000 by PC 0x0000000000000000\n"],
    ["a record that nobody knows", "  1  1:   W0.T1 guess        8 byte(s) @ 0x0000000000001000\n"],
    ["a NUL", "  1  1:   W0.T1 re\0d         8 byte(s) @ 0x0000000000001000\n"],
  ])("%s is refused with its line, or passed over", async (_, line) => {
    await expect(eventsOf(view(excerpt + line))).rejects.toMatchObject({ name: "InputError", line: 23 });
    const lenient = view(excerpt + line, { lenient: true });
    expect(await eventsOf(lenient)).toHaveLength(events.length);
    expect(lenient.counts.skipped).toBe(1);
  });
});

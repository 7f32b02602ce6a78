import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../src/trace/errors.js";
import { LackeyReader } from "../src/trace/lackey.js";
import { StraceReader } from "../src/trace/strace.js";
import { type Style, straceText } from "./strace-text.js";
import { damage, damaged, eventsOf, lackeyText, linesOf, steps } from "./trace-text.js";

const pieces = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });
const style = fc.constantFrom<Style>("pid time", "pid", "[pid] relative", "raw");
const lineEnd = fc.constantFrom("\n", "\r\n");

const lackey = (text: string | Uint8Array, sizes?: number[]): LackeyReader =>
  new LackeyReader(linesOf(text, sizes), "lackey");
const strace = (text: string | Uint8Array, sizes?: number[]): StraceReader =>
  new StraceReader(linesOf(text, sizes), "strace");

describe("what is printed is read back", () => {
  test("lackey, however the bytes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(steps, pieces, lineEnd, async (all, sizes, end) => {
        const { text, events } = lackeyText(all);
        const reader = lackey(text.replaceAll("\n", end), sizes);
        expect(await eventsOf(reader)).toEqual(events);
        expect(reader.counts.lines).toBe(text.split("\n").length - 1);
      }),
      { numRuns: 300 },
    );
  });

  test("strace in its styles, with calls in two halves", async () => {
    await fc.assert(
      fc.asyncProperty(steps, pieces, style, lineEnd, async (all, sizes, how, end) => {
        const { text, events } = straceText(all, how);
        expect(await eventsOf(strace(text.replaceAll("\n", end), sizes))).toEqual(events);
      }),
      { numRuns: 300 },
    );
  });
});

describe("damaged input", () => {
  test.each(["lackey", "strace"])("%s is read, or refused with the place", async (format) => {
    await fc.assert(
      fc.asyncProperty(steps, damage, pieces, async (all, hits, sizes) => {
        const text = format === "lackey" ? lackeyText(all).text : straceText(all, "pid time").text;
        const reader = (format === "lackey" ? lackey : strace)(damaged(text, hits), sizes);
        try {
          await eventsOf(reader);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect((error as InputError).message).toMatch(/^test\.log:\d+: expected .+, saw .+/);
        }
      }),
      { numRuns: 400 },
    );
  });

  test("lenient mode counts the lines that it passes over", async () => {
    const lines = [
      "I  04000000,4",
      "garbage",
      "I  0400000,4",
      " L 1fff000000,8",
      " X 04000000,4",
      "I  04000000,",
    ];
    const reader = new LackeyReader(linesOf(lines.join("\n")), "lackey", { lenient: true });
    expect(await eventsOf(reader)).toHaveLength(2);
    expect(reader.counts).toMatchObject({ lines: 6, skipped: 4 });
    const calls = ["1 munmap(0x1000, 4096) = 0", "1 munmap(0x1000, 40", "1 munmap(zero, 4096) = 0"];
    const other = new StraceReader(linesOf(calls.join("\n")), "strace", { lenient: true });
    expect(await eventsOf(other)).toHaveLength(1);
    expect(other.counts.skipped).toBe(2);
  });

  test.each([
    ["an address that is cut", "I  04000000,4\n L 0400", 2],
    ["a size that is missing", "I  04000000,4\nI  04000000,\n", 2],
    ["a NUL byte", "I  04000000,4\nI  0400\x000,4\n", 2],
    ["an address beyond user space", "I  800000000000,4\n", 1],
    ["a call that is cut", "I  04000000,4\nSYSCALL[7,1](11) sys_munmap ( 0x483c000, 40", 2],
    ["a result that is cut", "I  04000000,4\nSYSCALL[7,1](11) sys_munmap ( 0x483c000, 4096 )", 2],
    ["an outcome of no known form", "SYSCALL[7,1](11) sys_munmap ( 0x483c000, 4096 )[sync] --> Maybe\n", 1],
    [
      "an argument that is no number",
      "SYSCALL[7,1](11) sys_munmap ( here, 4096 )[sync] --> Success(0x0) \n",
      1,
    ],
    ["a second process", "==7== \nSYSCALL[8,1](11) sys_munmap ( 0x1000, 4096 )[sync] --> Success(0x0) \n", 2],
  ])("lackey with %s is refused with its line", async (_, text, line) => {
    await expect(eventsOf(lackey(text))).rejects.toMatchObject({ name: "InputError", line });
  });

  test.each([
    ["a line that is cut", "7 munmap(0x1000, 4096) = 0\n7 munmap(0x1000, 40", 2],
    ["an unknown line", "7 munmap(0x1000, 4096) = 0\nhello\n", 2],
    ["arguments that are no numbers", "7 mmap(NULL, x, PROT_READ, MAP_PRIVATE, 3, 0) = 0x1000\n", 1],
    ["a NUL byte", '7 execve("\0", [], 0x1) = 0\n', 1],
  ])("strace with %s is refused with its line", async (_, text, line) => {
    await expect(eventsOf(strace(text))).rejects.toMatchObject({ name: "InputError", line });
  });

  test("a line of more than 64 KiB is refused, with or without an end", async () => {
    const long = "x".repeat(70_000);
    for (const text of [
      `I  04000000,4\n${long}`,
      `I  04000000,4\n${long}\n`,
      `I  04000000,4\n==1== ${long}\n`,
    ]) {
      const problem = { name: "InputError", line: 2, expected: "a line of at most 65536 bytes" };
      await expect(eventsOf(lackey(text))).rejects.toMatchObject(problem);
      await expect(eventsOf(lackey(text, [1000]))).rejects.toMatchObject(problem);
    }
    await expect(eventsOf(strace(`7 exit(0) = ?\n${long}`))).rejects.toMatchObject({ line: 2 });
  });
});

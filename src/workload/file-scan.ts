import { builtin } from "./builtin.js";
import { LOAD } from "./feed.js";
import { groups, parameter, threads, threadsParameter } from "./loop.js";
import type { Step } from "./plan.js";
import { call, compute, MADV_DONTNEED, mmap, parts, repeat, sweep, useStack } from "./steps.js";
import { PROT_READ } from "./vma-word.js";

export const fileScan = builtin({
  name: "file-scan",
  about: "threads that read through a large mapping of a file and drop what lies behind them",
  standsFor:
    "Tools that read large files through a mapping: ripgrep and other searches, the scans of columnar databases, backup " +
    "programs. Each thread reads a part of the file. What has been read will not be needed again, so it is dropped window by window, to keep the resident memory " +
    "small: with MADV_DONTNEED, or by mapping one window after the other. No page is freed, as all stay in the page cache, and " +
    "nobody else has these addresses in a TLB; still every window costs a flush on every CPU that runs the program.",
  parameters: [
    parameter("size", "pages", 16_384, [1, 4_194_304], "the file, of which each thread reads a part"),
    parameter("window", "pages", 32, [1, 262_144], "what is read before it is dropped"),
    parameter("passes", "count", 2, [1, 1_000_000], "times that each thread reads its part"),
    parameter(
      "behind",
      "count",
      0,
      [0, 2],
      "0 MADV_DONTNEED of each window, 1 mmap and munmap of each, 2 nothing",
    ),
    threadsParameter,
    parameter("compute", "cycles", 2000, [0, 1_000_000_000], "computing for each window, on average"),
  ],
  plan(values) {
    const { size, window, passes, behind } = values;
    const read = [sweep("window", LOAD), useStack, compute(values.compute)];
    const ways: readonly (readonly Step[])[] = [
      [...read, call("madvise", "window", MADV_DONTNEED)],
      [mmap("window"), ...read, call("munmap", "window")],
      read,
    ];
    const scan = parts("window", "file", window, ways[behind]!);
    const data = { of: "thread", rights: PROT_READ, shared: true, file: "data", sliced: true } as const;
    return {
      regions: { file: { ...data, pages: Math.ceil(size / values.threads) } },
      groups: groups(threads("reader", values.threads, [repeat(passes, scan)])),
    };
  },
});

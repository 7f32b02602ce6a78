import { builtin } from "./builtin.js";
import { LOAD } from "./feed.js";
import { anonymous, groups, parameter, threads, threadsParameter, workParameters } from "./loop.js";
import { call, compute, mmap, repeat, sweep, uniform, useStack, visit } from "./steps.js";
import { PROT_READ } from "./vma-word.js";

/** Popularity of files on web servers falls about so (Breslau et al., INFOCOM 1999: 0.64 to 0.83). */
const popularity = { kind: "zipf", s: 0.8 } as const;

export const mmapServe = builtin({
  name: "mmap-serve",
  about: "a web server that maps, reads and unmaps a file for each request",
  standsFor:
    "Servers that send files from mappings, as Apache httpd does with EnableMMAP, and the benchmark of most papers on TLB " +
    "shootdowns. For each request a thread looks into the memory that all share, maps one of the files (popular ones more " +
    "often), reads it page by page and unmaps it. All pages are in the page cache after a while, so a request is short, and " +
    "its munmap interrupts every CPU that runs the server: with more CPUs each request costs all of them more.",
  parameters: [
    parameter(
      "requests",
      "count",
      4000,
      [1, 1_000_000_000],
      "requests of all threads together, the same number for each: one at least",
    ),
    threadsParameter,
    parameter("files", "count", 128, [1, 2000], "files that are served; a few of them get most requests"),
    parameter("pages", "pages", 8, [1, 65_536], "size of a file"),
    ...workParameters,
  ],
  plan(values) {
    const { requests, files, pages, reads, shared } = values;
    const served = { count: files, stream: popularity };
    const each = Math.ceil(requests / values.threads);
    const request = [
      useStack,
      visit("shared", uniform, reads, 0.1),
      mmap("file"),
      sweep("file", LOAD),
      compute(values.compute),
      call("munmap", "file"),
    ];
    return {
      regions: {
        shared: anonymous(shared, "process"),
        file: { pages, of: "thread", rights: PROT_READ, shared: true, file: "document", files: served },
      },
      groups: groups(threads("worker", values.threads, [repeat(each, ...request)])),
    };
  },
});

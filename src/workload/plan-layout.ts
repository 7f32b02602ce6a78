import { UsageError } from "../errors.js";
import { pageBytes } from "./feed.js";
import { hugePages, type Plan, type Region, stackName, stackPages } from "./plan.js";
import { mappedFirst } from "./plan-names.js";
import { type Process, type Thread, Threads } from "./plan-threads.js";
import { PROT_READ, PROT_WRITE } from "./vma-word.js";

/** Regions of processes lie from here on, each from a page table of its own on. */
const processPages = 0x6000_0000_0000 / pageBytes;
const tablePages = 512;
/** Each thread has an area here, of 1 GiB or more: its stack, and behind it its regions. */
const threadPages = 0x7000_0000_0000 / pageBytes;
const areaPagesMin = 2 ** 30 / pageBytes;
const endPages = 2 ** 47 / pageBytes;
/** What a thread can have in a gibibyte besides its stack. */
export const ownPagesMax = areaPagesMin - stackPages;

/** File ids have 12 bits; the upper half is for shared memory without a file. */
const anonymousFiles = 0x800;
const filesEnd = 0x1000;

/** The engine has 4096 page tables, or one for 32 pages; a process and a thread's area need some however small they are. */
const tablesMin = 4096;
const pagesOfTable = 32;
const tablesOfProcess = 8;
const tablesOfThread = 3;

const stack: Region = { pages: stackPages, of: "thread", rights: PROT_READ | PROT_WRITE, shared: false };

/** Where a thread finds a region, in pages. */
export interface Place {
  readonly region: Region;
  readonly start: number;
  readonly end: number;
  /** Id of its file, or of the first of its files; undefined for private anonymous memory. */
  readonly file: number | undefined;
  /** Page of the file that the region begins with. */
  readonly filePage: number;
}

/** Gives places to what a plan names, and numbers to its threads. */
export class Layout {
  readonly threads: Threads;
  readonly #regions: ReadonlyMap<string, Region>;
  readonly #pages: number | undefined;
  readonly #mappedFirst: ReadonlySet<string>;
  /** First pages of the regions of processes. */
  readonly #starts = new Map<string, number>();
  readonly #areaPages: number;
  readonly #files = new Map<string, number>();

  /** Throws: UsageError when the plan does not fit into an address space, or has more threads or files than fit. */
  constructor(plan: Plan, cpus: number) {
    this.#regions = new Map([[stackName, stack], ...Object.entries(plan.regions)]);
    this.#pages = plan.pages;
    this.threads = new Threads(plan, cpus);
    this.#mappedFirst = mappedFirst(plan, [...this.#regions.keys()]);
    this.#areaPages = this.#arrange();
    this.#numberFiles();
  }

  place(thread: Thread, name: string): Place {
    const region = this.#regions.get(name);
    if (region === undefined) throw new RangeError(`the plan has no region '${name}'`);
    const start = region.of === "thread" ? this.#ownStart(thread, name) : this.#starts.get(name)!;
    const filePage = region.sliced === true ? thread.task * region.pages : 0;
    const file = this.#files.get(fileKey(name, region, thread));
    return { region, start, end: start + region.pages, file, filePage };
  }

  /** What the first thread of a process maps before anything else, or a thread when it begins. */
  mappedFirst(thread: Thread, of: Region["of"]): Place[] {
    return this.#regionsOf(thread, of)
      .filter((name) => this.#mappedFirst.has(name))
      .map((name) => this.place(thread, name));
  }

  /** Most 4 KiB pages in use at once, or more if the page tables need a larger machine. */
  get pages(): number {
    const all = this.threads.all;
    const firsts = all.filter((thread) => thread.process.threads[0] === thread);
    const pages =
      this.#pages ??
      firsts.reduce((sum, { process }) => sum + this.#privatePages(process), this.#sharedPages());
    const gaps = [...this.#regions.values()].reduce((sum, region) => sum + this.#room(region), 0);
    const tables = firsts.length * tablesOfProcess + all.length * tablesOfThread + pages / tablePages;
    return gaps + (tables <= tablesMin ? pages : Math.max(pages, Math.ceil(tables * pagesOfTable)));
  }

  /** Frames in a row are harder to find than frames: room for alignment, for copies, and for what a split page leaves behind. */
  #room({ huge, pages }: Region): number {
    return huge === undefined ? 0 : hugePages[huge] + Math.max(hugePages[huge], Math.ceil(pages / 2));
  }

  /** What a thread has of a kind: its own regions, or those of its process. */
  #regionsOf({ process, regions }: Thread, of: Region["of"]): string[] {
    const named = of === "thread" ? regions : process.regions;
    return [...this.#regions]
      .filter(([name, region]) => region.of === of && (name === stackName || named.has(name)))
      .map(([name]) => name);
  }

  /** Pages that a process has to itself at most; all of its parent's too, if both write to them. */
  #privatePages({ mm, threads, parent }: Process): number {
    if (mm === undefined) return 0;
    let pages = parent === undefined ? 0 : this.#privatePages(parent);
    const add = (thread: Thread, of: Region["of"]): void => {
      for (const name of this.#regionsOf(thread, of)) {
        const region = this.#regions.get(name)!;
        if (!(region.shared && region.file !== undefined)) pages += region.pages;
      }
    };
    if (parent === undefined) add(threads[0]!, "process");
    for (const thread of threads) add(thread, "thread");
    return pages;
  }

  #sharedPages(): number {
    const files = new Map<string, number>();
    for (const { file, files: many, pages, sliced } of this.#regions.values()) {
      const pieces = (many?.count ?? 1) * (sliced === true ? this.threads.all.length : 1);
      if (file !== undefined) files.set(file, Math.max(pages * pieces, files.get(file) ?? 0));
    }
    return [...files.values()].reduce((sum, pages) => sum + pages, 0);
  }

  /** A thread's area holds its stack and what it names, without gaps. */
  #ownStart(thread: Thread, name: string): number {
    let start = threadPages + thread.task * this.#areaPages;
    for (const each of this.#regionsOf(thread, "thread")) {
      start = alignedTo(start, this.#regions.get(each)!);
      if (each === name) break;
      start += this.#regions.get(each)!.pages;
    }
    return start;
  }

  /** Sets where regions of processes start; returns the size of a thread's area. */
  #arrange(): number {
    let shared = processPages;
    let own = 0;
    for (const [name, { of, pages }] of this.#regions) {
      if (of === "thread") own = alignedTo(own, this.#regions.get(name)!) + pages;
      else {
        shared = alignedTo(shared, this.#regions.get(name)!);
        this.#starts.set(name, shared);
        shared += Math.ceil(pages / tablePages) * tablePages;
      }
    }
    const area = Math.max(areaPagesMin, 2 ** Math.ceil(Math.log2(own)));
    if (shared > threadPages || threadPages + this.threads.tasks * area > endPages)
      throw new UsageError(
        "the regions do not fit into an address space: 16 TiB for those of a process, 16 TiB for those of its threads",
      );
    return area;
  }

  #numberFiles(): void {
    let next = 1;
    for (const { file, files } of this.#regions.values()) {
      if (file === undefined || this.#files.has(`file ${file}`)) continue;
      this.#files.set(`file ${file}`, next);
      const same = [...this.#regions.values()].filter((region) => region.file === file);
      next += Math.max(files?.count ?? 1, ...same.map((region) => region.files?.count ?? 1));
    }
    if (next > anonymousFiles)
      throw new UsageError(`the workload has ${next - 1} files; at most ${anonymousFiles - 1} fit`);
    next = anonymousFiles;
    for (const thread of this.threads.all) {
      for (const name of thread.regions) {
        const region = this.#regions.get(name);
        if (region === undefined || !region.shared || region.file !== undefined) continue;
        const key = fileKey(name, region, thread);
        if (!this.#files.has(key)) this.#files.set(key, next++);
      }
    }
    if (next > filesEnd)
      throw new UsageError(
        `the workload has ${next - anonymousFiles} pieces of shared memory without a file; at most ${filesEnd - anonymousFiles} fit`,
      );
  }
}

/** Where a region can begin: large pages are aligned. */
function alignedTo(page: number, { huge }: Region): number {
  return huge === undefined ? page : Math.ceil(page / hugePages[huge]) * hugePages[huge];
}

/** Shared memory without a file belongs to a thread, or to a process and those that it forks. */
function fileKey(name: string, region: Region, thread: Thread): string {
  if (region.file !== undefined) return `file ${region.file}`;
  if (!region.shared) return "";
  if (region.of === "thread") return `${name} of ${thread.task}`;
  let { process } = thread;
  while (process.parent !== undefined) process = process.parent;
  return `${name} in ${process.mm}`;
}

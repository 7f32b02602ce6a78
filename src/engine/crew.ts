/**
 * Threads that share one simulation: the caller's runs the clock, the others help with the bound phases (assembly/crew.ts). They share
 * the compiled module and the memory, and meet in that memory, never by messages.
 */
import { Piscina } from "piscina";
import type { CrewOutcome, CrewTask } from "./crew-worker.js";
import { type Build, compile } from "./load.js";
import { WorkerError } from "./task.js";
import { explainTrap } from "./trap.js";
import type { World } from "./world.js";

export interface CrewOptions {
  /** Threads, the caller's included: 2 or more. No more are started than the world has CPUs, or the engine places. */
  readonly threads: number;
  readonly build: Build;
  /** Every thread does its own share and no more, so that a test sees each of them at work. */
  readonly shares?: boolean;
  /** The module that the threads run, for tests. */
  readonly workerFile?: string;
}

/**
 * Looks at a word before a thread goes to sleep for it: about 50 microseconds, as long as waking takes where it takes longest.
 */
const SPINS = 30_000;
/** A thread that is at work and does not finish for so long is taken for lost. */
const LOST_AFTER_MS = 30_000;
/** How often the event loop may tell that a thread is gone while the clock runs. */
const LOOK_EVERY_MS = 100;

export class Crew {
  readonly threads: number;
  /** The pool that the threads are from, once they are started; for tests. */
  pool: Piscina | undefined;
  readonly #world: World;
  readonly #options: CrewOptions;
  #others: Promise<void> | undefined;
  #failure: unknown;
  #lastLook = performance.now();
  /** Since when the clock has waited, and for the end of which quantum. */
  #late: { readonly since: number; readonly quantum: bigint } | undefined;

  /** The threads are started when the engine wants them, or by start(). */
  constructor(world: World, options: CrewOptions) {
    this.#world = world;
    this.#options = options;
    this.threads = Math.min(options.threads, world.size.cpus, world.value("CREW_MOST"));
    this.#set("SIZE", this.threads);
    this.#set("SPINS", SPINS);
    this.#set("SHARES", options.shares ? 1 : 0);
    if (options.shares === true) this.start();
  }

  /** Starts the threads, if they are not. The clock need not wait for them: who is ready helps. */
  start(): void {
    if (this.pool !== undefined) return;
    const others = this.threads - 1;
    const pool = new Piscina({
      filename: this.#options.workerFile ?? workerFile(),
      minThreads: others,
      maxThreads: others,
      recordTiming: false,
    });
    this.pool = pool;
    const module = compile(this.#options.build);
    const work = Array.from({ length: others }, (_, index) => this.#help(pool, module, index + 1));
    this.#others = Promise.all(work).then(() => {});
  }

  /** Threads that have shared the work, the caller's included. */
  get used(): number {
    return this.pool === undefined ? 1 : this.threads;
  }

  async #help(pool: Piscina, module: WebAssembly.Module, thread: number): Promise<void> {
    const task: CrewTask = { module, memory: this.#world.memory, thread };
    try {
      const outcome: CrewOutcome = await pool.run(task, { name: "helpWorld" });
      if (!outcome.ok) this.#failure ??= failureOf(outcome, this.#world);
    } catch (error) {
      this.#failure ??= new WorkerError(
        `worker thread ${thread} of ${this.threads} is gone: ${(error as Error).message}`,
      );
    }
  }

  /** Starts the threads once they would help; lets the event loop say whether one has failed, now and then. Throws what it failed with. */
  async look(): Promise<void> {
    if (this.#get("WANTED") !== 0) this.start();
    if (performance.now() - this.#lastLook < LOOK_EVERY_MS) return;
    await this.#listen();
  }

  /** The same when the clock stopped because somebody is late. Throws WorkerError when nobody comes for long. */
  async wait(): Promise<void> {
    await this.#listen();
    const quantum = this.#world.functions.now();
    if (this.#late?.quantum !== quantum) this.#late = { since: performance.now(), quantum };
    if (performance.now() - this.#late.since < LOST_AFTER_MS) return;
    throw new WorkerError(
      `a worker thread has not finished its part for ${LOST_AFTER_MS / 1000} s; the run cannot go on`,
    );
  }

  async #listen(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastLook = performance.now();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Turns that each thread has done in shared bound phases, the caller's first. */
  turns(): number[] {
    const places = this.#world.value("CREW_PLACES");
    const bytes = this.#world.value("CREW_PLACE_BYTES");
    const turns = this.#world.value("CREW_TURNS");
    return Array.from(
      { length: this.threads },
      (_, thread) => this.#world.u32[(places + thread * bytes + turns) / 4]!,
    );
  }

  /** Threads other than the caller's that are ready to help. */
  ready(): number {
    return this.#get("READY");
  }

  /** Ends the threads, whatever they do. */
  async close(): Promise<void> {
    this.#set("STOP", 1);
    await this.pool?.destroy();
    await this.#others;
  }

  #get(name: string): number {
    return Atomics.load(this.#world.u32, this.#world.value(`CREW_${name}`) / 4);
  }

  #set(name: string, value: number): void {
    Atomics.store(this.#world.u32, this.#world.value(`CREW_${name}`) / 4, value);
  }
}

/** Tests import this file as TypeScript, but a worker thread needs the compiled one. */
function workerFile(): string {
  const compiled = import.meta.url.endsWith(".ts") ? "../../dist/engine/crew-worker.js" : "./crew-worker.js";
  return new URL(compiled, import.meta.url).href;
}

function failureOf(outcome: Extract<CrewOutcome, { ok: false }>, world: World): unknown {
  if (outcome.isTrap) return explainTrap(new WebAssembly.RuntimeError(outcome.message), world);
  const error = new WorkerError(outcome.message);
  error.stack = outcome.stack;
  return error;
}

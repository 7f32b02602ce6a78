import { UsageError } from "../errors.js";
import { allSteps, type Plan, type ThreadGroup } from "./plan.js";
import { forksIn, mentioned, tasksMax } from "./plan-names.js";

export interface Process {
  /** Undefined: kernel threads have no address space. */
  readonly mm: number | undefined;
  /** Who it was forked from. */
  readonly parent?: Process;
  /** Regions of processes and of threads that its threads name, or those that they fork. */
  readonly regions: ReadonlySet<string>;
  /** Its threads that exist from the beginning, or the one that was forked. */
  readonly threads: Thread[];
}

export interface Thread {
  readonly task: number;
  readonly group: ThreadGroup;
  readonly process: Process;
  /** Regions that its own steps name. */
  readonly regions: ReadonlySet<string>;
  /** Threads that its forks make, by group, in order. */
  readonly children: ReadonlyMap<string, readonly Thread[]>;
}

/** All threads that a plan can ever have, with their numbers. The same plan on as many CPUs always gets the same. */
export class Threads {
  readonly starters: readonly Thread[];
  readonly forked: Thread[] = [];
  readonly #plan: Plan;
  readonly #tasks: TaskNumbers;
  #mms = 0;

  /** Throws: UsageError when there are more than fit. */
  constructor(plan: Plan, cpus: number) {
    this.#plan = plan;
    this.#tasks = new TaskNumbers(cpus);
    this.starters = this.#begin();
  }

  get all(): readonly Thread[] {
    return [...this.starters, ...this.forked];
  }

  /** Upper bound of the task ids. */
  get tasks(): number {
    return this.#tasks.end;
  }

  /** Upper bound of the mm ids. */
  get mms(): number {
    return Math.max(1, this.#mms);
  }

  #begin(): Thread[] {
    const groups = this.#plan.groups.filter(({ start }) => start === "beginning");
    const processes = new Map(
      [...new Set(groups.map(({ process }) => process))].map((name) => [name, this.#processes(name)]),
    );
    const places = groups.flatMap((group) =>
      processes.get(group.process)!.flatMap((process) =>
        Array.from({ length: group.count }, (_, index) => ({
          group,
          process,
          task: this.#task(group, index),
        })),
      ),
    );
    // All starters have their numbers before the threads that they fork, which may be many.
    return places.map(({ group, process, task }) => {
      const regions = new Set(mentioned(group.steps));
      const thread = {
        task,
        group,
        process,
        regions,
        children: this.#children(group, process, [group.name]),
      };
      process.threads.push(thread);
      return thread;
    });
  }

  #processes(name: string | undefined): Process[] {
    const groups = this.#plan.groups.filter(
      ({ process, start }) => process === name && start === "beginning",
    );
    const regions = new Set(groups.flatMap((group) => this.#namedBy(group, [])));
    if (name === undefined) return [{ mm: undefined, regions, threads: [] }];
    const copies = this.#plan.copies?.[name] ?? 1;
    return Array.from({ length: copies }, () => ({ mm: this.#mms++, regions, threads: [] }));
  }

  #namedBy(group: ThreadGroup, above: readonly string[]): string[] {
    if (above.includes(group.name))
      throw new UsageError(`threads '${group.name}' fork threads that fork them`);
    const forks = allSteps(group.steps).flatMap((step) =>
      step.do === "fork" ? [this.#group(step.group)] : [],
    );
    const path = [...above, group.name];
    return [...mentioned(group.steps), ...forks.flatMap((child) => this.#namedBy(child, path))];
  }

  #children(group: ThreadGroup, parent: Process, above: readonly string[]): Thread["children"] {
    const children = new Map<string, Thread[]>();
    for (const [name, count] of forksIn(group.steps)) {
      const child = this.#group(name);
      const made = Array.from({ length: count }, (_, index) => this.#child(child, index, parent, above));
      children.set(name, made);
    }
    return children;
  }

  #child(group: ThreadGroup, index: number, parent: Process, above: readonly string[]): Thread {
    const regions = new Set(this.#namedBy(group, above));
    const process: Process = { mm: this.#mms++, parent, regions, threads: [] };
    const task = this.#task(group, index % group.count);
    const own = new Set(mentioned(group.steps));
    const children = this.#children(group, process, [...above, group.name]);
    const thread = { task, group, process, regions: own, children };
    process.threads.push(thread);
    this.forked.push(thread);
    return thread;
  }

  #task({ cpu }: ThreadGroup, index: number): number {
    return this.#tasks.next(cpu === undefined ? undefined : cpu + index);
  }

  #group(name: string): ThreadGroup {
    const group = this.#plan.groups.find((each) => each.name === name);
    if (group === undefined) throw new RangeError(`the plan has no threads '${name}'`);
    return group;
  }
}

/** A task's number says which CPU it runs on: that number modulo the CPUs. */
class TaskNumbers {
  readonly #cpus: number;
  readonly #used = new Set<number>();
  end = 1;

  constructor(cpus: number) {
    this.#cpus = cpus;
  }

  next(cpu: number | undefined): number {
    let task = cpu === undefined ? 0 : cpu % this.#cpus;
    while (this.#used.has(task)) task += cpu === undefined ? 1 : this.#cpus;
    if (task >= tasksMax)
      throw new UsageError(
        `the workload has more threads than fit: at most ${tasksMax}, with those that are forked`,
      );
    this.#used.add(task);
    this.end = Math.max(this.end, task + 1);
    return task;
  }
}

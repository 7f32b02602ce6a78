/** Who runs where in a recording: what it says of it, on the simulated CPUs. */
import { IDLE_TASK } from "../kernel/task.js";
import type { EnactStage } from "./enact-stage.js";

/**
 * Names of tasks that have no address space, and so borrow the one that is loaded. Source: linux, the names given to
 * kthread_create() and its kin; idle tasks are called swapper.
 */
const kernelThread =
  /^(?:swapper|<idle>|kworker|ksoftirqd|migration|rcu|kthreadd|kcompactd|khugepaged|ksmd|kswapd|cpuhp|idle_inject|irq\/|jbd2|kdevtmpfs|kauditd|oom_reaper|kblockd|scsi_|loop\d|md\d|nvme|xfs|btrfs|ext4|napi|ktimers|watchdogd|kvm-|nfsd|dmcrypt)/;

/**
 * The CPUs of a recording. A task that is recorded runs from its first event on a CPU to the switch away from it; between
 * recorded tasks a CPU is idle, or runs somebody with an address space of his own, as the switch says.
 */
export class EnactCpus {
  readonly #stage: EnactStage;
  /** Tasks of those who are not recorded, one for each CPU, from this number on. */
  readonly #strangers: number;
  /** CPU of each task that runs. */
  readonly #cpuOf = new Map<number, number>();

  constructor(stage: EnactStage, strangers: number) {
    this.#stage = stage;
    this.#strangers = strangers;
  }

  /** The task runs on this CPU now, whatever was recorded last. */
  run(cpu: number, task: number): void {
    const before = this.#cpuOf.get(task);
    if (before === cpu) return;
    if (before !== undefined) this.#switch(before, IDLE_TASK);
    this.#switch(cpu, task);
    this.#cpuOf.set(task, cpu);
  }

  /** A CPU goes on with somebody who is not recorded. */
  leave(cpu: number, tid: number, comm: string): void {
    this.#switch(cpu, tid === 0 || kernelThread.test(comm) ? IDLE_TASK : this.#strangers + cpu);
  }

  /** The CPU of a task that runs. */
  of(task: number): number {
    return this.#cpuOf.get(task)!;
  }

  /** Whether the CPU runs a task of the recording. */
  isRecorded(cpu: number): boolean {
    return this.#stage.current(cpu) < this.#strangers;
  }

  #switch(cpu: number, next: number): void {
    const task = this.#stage.current(cpu);
    this.#stage.switchTo(cpu, next);
    if (task !== next) this.#cpuOf.delete(task);
  }
}

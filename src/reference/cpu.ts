import type { Memory } from "./memory.js";
import type { Oracle } from "./oracle.js";
import { type CpuState, IDLE_TASK } from "./state.js";
import { StoreBuffer } from "./store-buffer.js";
import { Tlb } from "./tlb.js";
import { WalkCache } from "./walk.js";

/** A program under way. Between steps, `pc` names a step op. */
export interface Context {
  pc: number;
  readonly registers: bigint[];
}

/** An invalidation under way, and the CPUs at which it has not taken effect. */
export interface Broadcast {
  readonly root: number;
  readonly pcid: number | undefined;
  readonly start: bigint;
  readonly end: bigint;
  readonly waiting: Set<number>;
}

export class Cpu {
  readonly id: number;
  task = IDLE_TASK;
  irqsOn = true;
  /** Spinlocks that it holds. */
  spinlocks = 0;
  /** Site of the last step that took one or switched interrupts off; -1 for none. */
  atomicSite = -1;
  pending = false;
  root = 0;
  pcid = 0;
  /** Roots that it ever loaded. */
  readonly roots = new Set<number>();
  /** Initiators, oldest first. */
  readonly queue: number[] = [];
  readonly stores: StoreBuffer;
  readonly tlb: Tlb;
  readonly pwc: WalkCache;
  broadcast: Broadcast | undefined;
  taskContext: Context | undefined;
  interruptContext: Context | undefined;
  status = 0n;

  constructor(id: number, memory: Memory) {
    this.id = id;
    this.stores = new StoreBuffer(memory, id);
    this.tlb = new Tlb(memory.config);
    this.pwc = new WalkCache(memory.config);
  }

  /** Why it may not sleep. */
  get isAtomic(): boolean {
    return this.spinlocks > 0 || !this.irqsOn || this.interruptContext !== undefined;
  }

  /** What runs now: an interrupt holds up the task. */
  get context(): Context | undefined {
    return this.interruptContext ?? this.taskContext;
  }

  state(oracle: Oracle): CpuState {
    const contextState = (context: Context | undefined) =>
      context === undefined ? null : { pc: context.pc, registers: [...context.registers] };
    return {
      task: this.task,
      started: oracle.isUnderWay(this.id),
      spinlocks: this.spinlocks,
      irqsOn: this.irqsOn,
      pending: this.pending,
      root: this.root,
      pcid: this.pcid,
      queue: [...this.queue],
      stores: this.stores.stores.map(({ cell, value, barrier }) => ({ ...cell, value, barrier })),
      barrierNext: this.stores.barrierNext,
      broadcast: this.broadcast ? { ...this.broadcast, waiting: [...this.broadcast.waiting] } : null,
      taskContext: contextState(this.taskContext),
      interruptContext: contextState(this.interruptContext),
      status: this.status,
      tlb: this.tlb.state(
        (entry) => entry.generation !== oracle.generationOf(entry.pfn),
        (entry) => ({ excused: oracle.excuses(entry), judged: oracle.isJudged(entry) }),
      ),
      pwc: this.pwc.state(),
    };
  }
}

/** Function calls on other CPUs by interrupt. The only function here is the TLB flush. */

import {
  type Bool,
  type Builder,
  type CpuMask,
  cpuArray,
  cpumask,
  type Expr,
  type Field,
  record,
  routine,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";

/** `csd` of a call that is under way; the CPU that was called clears it. */
const CSD_FLAG_LOCK = 1;

/**
 * Per CPU: the sets of CPUs of the call that it is making, and a descriptor for the call that each other CPU makes to it.
 *
 * The descriptors are with the CPU that is called, as in Linux: two answers do not fight over one cache line.
 * Source: linux kernel/smp.c, struct call_function_data.
 */
export const call_function_data = record("cpu", {
  cfd_cpumask: cpumask,
  cfd_cpumask_ipi: cpumask,
  /** By the CPU that calls. */
  csd: cpuArray(u64),
});

/** The descriptor of this CPU's calls to `target`. Source: linux kernel/smp.c, per_cpu_ptr(cfd->csd, cpu). */
function csdTo(k: Builder, target: Expr<U64>): Field<U64> {
  return call_function_data.at(target).csd.at(k.cpu());
}

/**
 * Ask the CPUs of a mask, other than this one, for which `cond_func` holds; `targets` counts them.
 *
 * An interrupt is raised only for a CPU whose queue was empty: the others are on their way to it already.
 * Source: linux kernel/smp.c, smp_call_function_many_cond() up to the local part.
 */
export const smp_call_function_many = routine(
  "smp_call_function_many_cond",
  (k: Builder, mask: CpuMask, targets: Var<U64>, cond_func: (cpu: Expr<U64>) => Expr<Bool>) => {
    const cfd = call_function_data.at(k.cpu());
    const nr_cpus = k.var(0, "nr_cpus");
    const last_cpu = k.var(0, "last_cpu");
    k.maskZero("cpumask_and", cfd.cfd_cpumask);
    k.maskZero("cpumask_clear", cfd.cfd_cpumask_ipi);
    k.forEachCpu("for_each_cpu", mask, (cpu) => {
      k.if(cpu.ne(k.cpu()), () => {
        k.if(cond_func(cpu), () => {
          k.if(targets.get().eq(0), () => k.shootdownBegins());
          targets.set(targets.get().add(1));
          k.maskSet("cfd->cpumask", cfd.cfd_cpumask, cpu);
          k.await("csd_lock_wait", csdTo(k, cpu), "eq", 0);
          k.write("csd_lock", csdTo(k, cpu), CSD_FLAG_LOCK);
          const wasEmpty = k.queuePush("llist_add", cpu);
          k.count("ipis.targets");
          k.if(
            wasEmpty,
            () => {
              k.maskSet("cfd->cpumask_ipi", cfd.cfd_cpumask_ipi, cpu);
              nr_cpus.set(nr_cpus.get().add(1));
              last_cpu.set(cpu);
            },
            () => k.count("ipis.coalesced"),
          );
        });
      });
    });
    k.if(
      nr_cpus.get().eq(1),
      () => k.raiseOne("send_call_function_single_ipi", last_cpu.get()),
      () => k.if(nr_cpus.get().gt(1), () => k.raise("send_call_function_ipi_mask", cfd.cfd_cpumask_ipi)),
    );
  },
);

/**
 * Wait for everybody who was asked.
 *
 * Source: linux kernel/smp.c, the end of smp_call_function_many_cond().
 */
export const csd_lock_wait = routine("csd_lock_wait", (k: Builder) => {
  const cfd = call_function_data.at(k.cpu());
  k.forEachCpu("for_each_cpu", cfd.cfd_cpumask, (cpu) => {
    k.await("csd_lock_wait", csdTo(k, cpu), "eq", 0);
  });
  k.shootdownEnds();
});

/** Tell the CPU that asked that its call is done. Source: linux kernel/smp.c, csd_unlock(). */
export function csd_unlock(k: Builder, initiator: Expr<U64>, label = "csd_unlock"): void {
  k.write(label, call_function_data.at(k.cpu()).csd.at(initiator), 0);
}

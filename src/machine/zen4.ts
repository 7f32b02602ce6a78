import { delivery, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type Geometry, type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { assumed, from } from "./sources.js";

const milan = "2 x EPYC 7R13 (Zen 3), median CAS round trip / 2";
const genoa = "EPYC 9654";

/** One array holds every page size. */
const withData4k: Geometry = { sharedWith: "l1d4k", ...from("ILX", "A", `CPUID 0x8000_0005, ${genoa}`) };
const withCode4k: Geometry = { sharedWith: "l1i4k", ...from("ILX", "A", `CPUID 0x8000_0005, ${genoa}`) };

export const zen4: MachinePreset = {
  name: "zen4",
  title: "AMD EPYC 9654 (Zen 4), 2 sockets x 96 cores x 2 threads, core complexes of 8, 3.7 GHz, PCID",
  ghz: quantity(3.7, "GHz", from("HPCT", "C", `${genoa}, highest boost; the base clock is 2.4`)),
  topology: {
    threadsPerCore: quantity(2, "CPUs", from("HPCT", "C", `${genoa}, 96 cores and 192 threads`)),
    coresPerCcx: quantity(8, "CPUs", assumed("eight cores share an L3 since Zen 3")),
    coresPerSocket: quantity(96, "CPUs", from("HPCT", "C", `${genoa}, 96 cores and 192 threads`)),
    sockets: quantity(2, "CPUs", assumed("the commonest server")),
  },
  structures: {
    l1d4k: { entries: 72, ways: 72, ...from("ILX", "A", `CPUID 0x8000_0005, ${genoa}, fully associative`) },
    l1d2m: withData4k,
    l1d1g: withData4k,
    l1i4k: { entries: 64, ways: 64, ...from("ILX", "A", `CPUID 0x8000_0005, ${genoa}, fully associative`) },
    l1i2m: withCode4k,
    // CPUID's field value here stands for 8 to 15 ways; Zen 2's has 12 [WZ2], and only 12 makes the sets a power of 2.
    stlb: {
      entries: 3072,
      ways: 12,
      ...from("ILX", "C", `CPUID 0x8000_0006, ${genoa}, data; the ways as Zen 2's`),
    },
    stlb1g: { entries: 64, ways: 64, ...from("ILX", "A", `CPUID 0x8000_0019, ${genoa}, fully associative`) },
    pde: { entries: 32, ways: 8, ...walkCache("PSCL2 32 = 4 x 8") },
    pdpte: { entries: 8, ways: 4, ...walkCache("PSCL3 8 = 2 x 4") },
    pml4e: { entries: 4, ways: 4, ...walkCache("PSCL4 4") },
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(
      5,
      "cycles",
      from("ILX", "A", "Threadripper 7995WX, 17 to 22 cycles past the first level"),
    ),
    memL1: quantity(4, "cycles", assumed("load to use of every Zen")),
    memL2: quantity(14, "cycles", assumed("load to use of Zen 4, as commonly quoted")),
    memL3: quantity(50, "cycles", assumed("load to use of Zen 4, as commonly quoted")),
    memDram: quantity(110, "ns", from("MKB", "C", "ballpark for two-socket x86: 80 to 110 ns, local")),
    lineSmt: quantity(8, "ns", assumed("as on Intel, 7 to 9 ns [C2C]; not measured on an AMD")),
    lineCcx: quantity(23, "ns", from("C2C", "A", `${milan}, same core complex`)),
    lineSocket: quantity(151, "ns", from("C2C", "A", `${milan}, other core complex`)),
    lineRemote: quantity(197, "ns", from("C2C", "A", `${milan}, other socket`)),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    rmw: quantity(8, "cycles", from("ILX", "A", `${genoa} XCHG m64 8.0, LOCK ADD m64 7.4`)),
    fence: quantity(59, "cycles", from("ILX", "A", "Zen 4 MFENCE")),
    invlpg: quantity(93, "cycles", from("ING", "A", "AMD before Zen, hot, per page; nothing newer found")),
    flushPcid: quantity(127, "cycles", from("ING", "A", "AMD before Zen, MOV to CR3, hot")),
    flushAll: quantity(589, "cycles", from("ING", "A", "AMD before Zen, CR4 global flush, hot")),
    cr3Flush: quantity(127, "cycles", from("ING", "A", "AMD before Zen, MOV to CR3, hot")),
    cr3NoFlush: quantity(100, "cycles", from("PTI", "C", "'order of a hundred cycles' for a CR3 write")),
    // Nobody published what an interrupt costs on this machine.
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(151 - 23),
    ipiDeliverRemote: delivery(197 - 23),
    frameRemote: remoteFrame(197 - 151),
    assist: quantity(
      500,
      "cycles",
      from("A22R", "A", "author's remark, x86: more than 500 cycles to set a dirty bit"),
    ),
  },
  work: kernelWork,
  ptiExtra: {
    // Zen needs none; these count if it is asked for all the same (--set pti=on).
    entry: quantity(
      100,
      "cycles",
      from("PTI", "C", "'order of a hundred cycles' for the CR3 write of an entry"),
    ),
    exit: quantity(
      100,
      "cycles",
      from("PTI", "C", "'order of a hundred cycles' for the CR3 write of an exit"),
    ),
    invlpg: quantity(93, "cycles", assumed("INVPCID was not measured on AMD; as its INVLPG [ING]")),
  },
  pcid: true,
  pti: false,
};

function walkCache(what: string) {
  return assumed(
    `AMD keeps PDEs in the second-level TLB [WZ2] and says no more; ChampSim's default, ${what} [CSIM]`,
  );
}

import { delivery, fittedInvlpg, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { assumed, from } from "./sources.js";

const cascadeLake = "2 x Xeon Gold 6242, median CAS round trip / 2";
const skylakeX = "Skylake-X";

export const skylakeSp: MachinePreset = {
  name: "skylake-sp",
  title: "Intel Skylake-SP, 2 sockets x 28 cores x 2 threads, 2.5 GHz, PCID, no page-table isolation",
  ghz: quantity(2.5, "GHz", from("CB17", "C", "base clock of the Xeon Platinum 8180")),
  topology: {
    threadsPerCore: quantity(2, "CPUs", from("C2C", "A", "2 x Xeon Gold 6242, with its sibling threads")),
    coresPerCcx: quantity(
      28,
      "CPUs",
      from("CB17", "C", "Xeon Platinum 8180; a socket has one mesh, so it is one core complex"),
    ),
    coresPerSocket: quantity(28, "CPUs", from("CB17", "C", "Xeon Platinum 8180")),
    sockets: quantity(2, "CPUs", from("C2C", "A", "2 x Xeon Gold 6242, the machine whose lines are priced")),
  },
  structures: {
    l1d4k: { entries: 64, ways: 4, ...from("ILX", "A", "CPUID leaf 2, Xeon Gold 6130") },
    l1d2m: { entries: 32, ways: 4, ...from("ILX", "A", "CPUID leaf 2, Xeon Gold 6130") },
    l1d1g: { entries: 4, ways: 4, ...from("ILX", "A", "CPUID leaf 2, Xeon Gold 6130") },
    l1i4k: { entries: 128, ways: 8, ...from("INTC", "C", "Skylake table; CPUID says 64 / 8") },
    l1i2m: {
      entries: 8,
      ways: 8,
      ...from("ILX", "A", "CPUID leaf 2, Xeon Gold 6130, per thread, fully associative"),
    },
    stlb: {
      entries: 1536,
      ways: 12,
      ...from("ILX", "A", "CPUID leaf 2, Xeon Gold 6130; 12 ways as AIDA dumps say"),
    },
    stlb1g: { entries: 16, ways: 4, ...from("ILX", "A", "CPUID leaf 2, Xeon Gold 6130") },
    pde: { entries: 32, ways: 8, ...walkCache("PSCL2 32 = 4 x 8") },
    pdpte: { entries: 8, ways: 4, ...walkCache("PSCL3 8 = 2 x 4") },
    pml4e: { entries: 4, ways: 4, ...walkCache("PSCL4 4") },
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(9, "cycles", from("ILX", "A", `${skylakeX} NewMemLat, 14 to 23 cycles past 64 pages`)),
    memL1: quantity(4, "cycles", from("ILX", "A", `${skylakeX} load to use`)),
    memL2: quantity(14, "cycles", from("ILX", "A", `${skylakeX} load to use`)),
    memL3: quantity(70, "cycles", from("ILX", "A", `${skylakeX} load to use, 70 to 77`)),
    memDram: quantity(81, "ns", from("ILX", "A", `${skylakeX} load to use, 285 cycles at 3.5 GHz`)),
    lineSmt: quantity(7, "ns", from("C2C", "A", `${cascadeLake}, sibling thread`)),
    lineCcx: quantity(48, "ns", from("C2C", "A", `${cascadeLake}, same socket`)),
    lineSocket: quantity(48, "ns", from("C2C", "A", `${cascadeLake}, same socket`)),
    lineRemote: quantity(141, "ns", from("C2C", "A", `${cascadeLake}, other socket`)),
    store: quantity(1, "cycles", from("LLVM", "C", "one port, 4, takes the data of stores: one a cycle")),
    rmw: quantity(18, "cycles", from("ILX", "A", `${skylakeX} XCHG m64 and LOCK ADD m64, 18.1`)),
    fence: quantity(33, "cycles", from("ILX", "A", `${skylakeX} MFENCE`)),
    invlpg: fittedInvlpg,
    flushPcid: quantity(
      152,
      "cycles",
      from("ING", "A", "MOV to CR3, hot; Linux flushes one PCID by writing CR3"),
    ),
    flushAll: quantity(376, "ns", from("LUTO16", "A", "INVPCID type 2, Skylake laptop")),
    cr3Flush: quantity(152, "cycles", from("ING", "A", "MOV to CR3, hot")),
    cr3NoFlush: quantity(100, "cycles", from("PTI", "C", "'order of a hundred cycles' for a CR3 write")),
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(),
    ipiDeliverRemote: delivery(141 - 48),
    frameRemote: remoteFrame(141 - 48),
    assist: quantity(
      500,
      "cycles",
      from("A22R", "A", "author's remark: more than 500 cycles to set a dirty bit"),
    ),
  },
  work: kernelWork,
  ptiExtra: {
    entry: quantity(70, "ns", from("FBSD1", "A", "getppid with PTI and PCID, 139 ns more, half of it")),
    exit: quantity(69, "ns", from("FBSD1", "A", "getppid with PTI and PCID, 139 ns more, half of it")),
    invlpg: quantity(350, "cycles", from("H17", "A", "INVPCID of the user half, marginal per page")),
  },
  pcid: true,
  pti: false,
};

/** The same machine with page-table isolation on. */
export const skylakeSpPti: MachinePreset = {
  ...skylakeSp,
  name: "skylake-sp-pti",
  title: "the same with page-table isolation: dearer kernel entries, and INVPCID beside every INVLPG",
  pti: true,
};

function walkCache(what: string) {
  return assumed(`Intel does not say; ChampSim's default, ${what} [CSIM]`);
}

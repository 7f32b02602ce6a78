import { borrowed, flushPrices } from "./borrow.js";
import { delivery, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { skylakeSp } from "./skylake-sp.js";
import { assumed, from } from "./sources.js";

const gold = "CPUID leaf 0x18, Xeon Gold 6336Y";
const platinum = "2 x Xeon Platinum 8375C, median CAS round trip / 2";
const before = "the server core before it";

export const icelakeSp: MachinePreset = {
  name: "icelake-sp",
  title: "Intel Ice Lake-SP, 2 sockets x 32 cores x 2 threads, 2.9 GHz, PCID",
  ghz: quantity(2.9, "GHz", from("C2C", "A", "the name of the measured Xeon Platinum 8375C says it")),
  topology: {
    threadsPerCore: quantity(2, "CPUs", assumed("hyper-threading on")),
    coresPerCcx: quantity(32, "CPUs", assumed("one mesh: a socket is one core complex")),
    coresPerSocket: quantity(32, "CPUs", assumed("the cores of a Xeon Platinum 8375C")),
    sockets: quantity(2, "CPUs", assumed("the commonest server")),
  },
  structures: {
    l1d4k: {
      entries: 64,
      ways: 4,
      ...from("ILX", "A", `${gold}; stores have 16 entries more, not modelled`),
    },
    l1d2m: { entries: 32, ways: 4, ...from("ILX", "A", gold) },
    l1d1g: { entries: 8, ways: 8, ...from("ILX", "A", `${gold}, fully associative`) },
    l1i4k: { entries: 128, ways: 8, ...assumed("leaf 0x18 does not say; as Skylake's [INTC]") },
    l1i2m: { entries: 8, ways: 8, ...from("ILX", "A", `${gold}, fully associative`) },
    stlb: {
      entries: 2048,
      ways: 16,
      ...from("ILX", "A", `${gold}: two arrays of 1024 with 8 ways, both for 4 KiB; one of 16 ways here`),
    },
    stlb1g: {
      entries: 1024,
      ways: 8,
      ...from("ILX", "A", `${gold}: the second of the two arrays, apart from its 4 KiB entries here`),
    },
    pde: skylakeSp.structures.pde,
    pdpte: skylakeSp.structures.pdpte,
    pml4e: skylakeSp.structures.pml4e,
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(8, "cycles", assumed("between the 9 of Skylake-X and the 7 of Golden Cove [ILX]")),
    memL1: quantity(5, "cycles", assumed("load to use of Sunny Cove, as commonly quoted")),
    ...borrowed(skylakeSp.prices, ["memL2", "memL3", "memDram"], "Skylake-X", before),
    lineSmt: quantity(8, "ns", from("C2C", "A", `${platinum}, sibling thread`)),
    lineCcx: quantity(51, "ns", from("C2C", "A", `${platinum}, same socket`)),
    lineSocket: quantity(51, "ns", from("C2C", "A", `${platinum}, same socket`)),
    lineRemote: quantity(108, "ns", from("C2C", "A", `${platinum}, other socket`)),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    rmw: quantity(20, "cycles", from("ILX", "A", "Xeon Gold 6330, XCHG m64")),
    fence: quantity(36, "cycles", from("ILX", "A", "Ice Lake-SP MFENCE")),
    ...borrowed(skylakeSp.prices, ["assist", ...flushPrices], "Skylake", before),
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(),
    ipiDeliverRemote: delivery(108 - 51),
    frameRemote: remoteFrame(108 - 51),
  },
  work: kernelWork,
  ptiExtra: skylakeSp.ptiExtra,
  pcid: true,
  pti: false,
};

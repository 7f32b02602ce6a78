/** Wrong where stores may pass each other: a mailbox says "go" before everybody can see what it asks for. */
import { type Builder, program, record, u64 } from "shootdown/dsl";
import { current_mm, entryAt, forEachTable, PTE, ptdesc, pte_t } from "shootdown/kernel";
import { call, type MemoryModel, scenario, stage, threadsOf } from "shootdown/scenario";

const mailbox = record("global", { what: u64, go: u64, done: u64 });
const PAGE = 1;
const page = u64.of(PAGE);

/** Takes the page's entry out and asks the other CPU, by mail, to forget the page. */
const unmapByMail = (isFenced: boolean) =>
  program("unmap_by_mail", [], (k: Builder) => {
    const mm = current_mm(k);
    forEachTable(k, mm.root, PTE, page, page.add(1), ({ table, start }) =>
      k.locked(ptdesc.at(table).ptl, () =>
        k.xchg("ptep_get_and_clear", entryAt(k, table, start, PTE), pte_t.zero),
      ),
    );
    k.write("mailbox->what", mailbox.at().what, PAGE);
    if (isFenced) k.fence("smp_wmb", "wmb");
    k.write("mailbox->go", mailbox.at().go, 1);
    k.window("asked, not answered");
    k.await("wait_done", mailbox.at().done, "eq", 1);
    k.promise(mm.root, page, page.add(1), "none");
  });

const serveMail = program("serve_mail", [], (k: Builder) => {
  k.await("wait_go", mailbox.at().go, "eq", 1);
  k.fence("smp_rmb", "rmb");
  k.invlpg("invlpg", k.read("mailbox->what", mailbox.at().what));
  k.write("mailbox->done", mailbox.at().done, 1);
});

const build = (model: MemoryModel, isFenced: boolean) => () =>
  stage({
    records: [mailbox],
    extra: () => [unmapByMail(isFenced), serveMail],
    machine: { model },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 2, 0b111] },
      { do: "touch", cpu: 1, vpn: PAGE, kind: 1 },
    ],
    threads: [
      { cpu: 0, does: [call("unmap_by_mail")] },
      { cpu: 1, does: [call("serve_mail")] },
    ],
    liberties: [{ cpu: 1, may: "touch", vpn: PAGE, kind: 0 }],
    windows: ["asked, not answered"],
  });

export const subject = scenario({
  name: "skipped-fence",
  question: "May a flush be asked for without a fence between the request and the signal?",
  source: "the order that linux kernel/smp.c keeps between a call's data and its queue",
  variants: {
    "weak-no-fence": {
      title: "stores may pass each other",
      expected: "unsafe",
      breaks: "stale-right",
      build: build("weak", false),
    },
    "weak-fence": { title: "smp_wmb() between them", expected: "safe", build: build("weak", true) },
    "tso-no-fence": { title: "x86 keeps the order of stores", expected: "safe", build: build("tso", false) },
  },
});

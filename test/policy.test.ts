import { describe, expect, test } from "vitest";
import { UsageError } from "../src/errors.js";
import { policies, policyNamed, policyNames, resolveSlots } from "../src/policy/policies.js";
import { slots } from "../src/policy/slots.js";

describe("policies", () => {
  test("the headline policies come first", () => {
    expect(policyNames.slice(0, 2)).toEqual(["eager", "deferred"]);
  });

  test("each names a variant that exists for every slot it has", () => {
    for (const policy of policies) {
      for (const [slot, variant] of Object.entries(policy.slots)) {
        expect(Object.keys(slots[slot]!.variants), `${policy.name} sets ${slot}`).toContain(variant);
      }
    }
  });

  test("an unknown policy is refused with the nearest name", () => {
    expect(() => policyNamed("defered")).toThrow(UsageError);
    expect(() => policyNamed("defered")).toThrow("did you mean 'deferred'?");
  });
});

describe("setting slots", () => {
  test("a variant replaces the policy's own", () => {
    expect(resolveSlots("deferred", { unmap: "eager" })).toEqual({
      ...policyNamed("deferred").slots,
      unmap: "eager",
    });
  });

  test("an unknown slot is refused with the nearest name", () => {
    expect(() => resolveSlots("deferred", { unmpa: "eager" })).toThrow("did you mean 'unmap'?");
  });

  test("an unknown variant is refused with those that the slot has", () => {
    expect(() => resolveSlots("deferred", { unmap: "gathr" })).toThrow("did you mean 'gather'?");
  });

  test("a slot without variants says so", () => {
    expect(() => resolveSlots("deferred", { migrate: "luf" })).toThrow(
      "slot 'migrate' has no variants to choose from",
    );
  });
});

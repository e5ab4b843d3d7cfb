/**
 * Runs the tests that docs/guides/testing.md shows: examples/testing/checkout-tests.ts and examples/testing/simulation-tests.ts,
 * about the saga of examples/sagas/checkout.ts.
 */
import '../examples/testing/checkout-tests.ts'
import '../examples/testing/simulation-tests.ts'

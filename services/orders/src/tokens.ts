/** What is injected and is no class. */
export const POOL: unique symbol = Symbol('pool')
export const CHECKS: unique symbol = Symbol('checks')

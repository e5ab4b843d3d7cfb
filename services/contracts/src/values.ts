import { z } from 'zod'

/** Printable ASCII without spaces: it is part of the idempotency keys that a payment gateway gets, as a header. */
export const OrderId: z.ZodString = z.string().regex(/^[!-~]{1,100}$/)

export const Sku: z.ZodString = z.string().min(1).max(64)

/** Hundredths of the currency. */
export const Cents: z.ZodNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

export const Quantity: z.ZodNumber = z.number().int().min(1).max(1_000_000)

export const Currency: z.ZodString = z.string().regex(/^[A-Z]{3}$/)

/** A product and how many of it. */
export const StockLine: z.ZodObject<{ sku: z.ZodString; quantity: z.ZodNumber }> = z.object({
  sku: Sku,
  quantity: Quantity,
})
export type StockLine = z.infer<typeof StockLine>

/** A line of an order. */
export const OrderLine: z.ZodObject<{ sku: z.ZodString; quantity: z.ZodNumber; unitPriceCents: z.ZodNumber }> =
  StockLine.extend({ unitPriceCents: Cents.max(100_000_000) })
export type OrderLine = z.infer<typeof OrderLine>

/** What a sku lacks for an order. */
export const Shortage: z.ZodObject<{ sku: z.ZodString; requested: z.ZodNumber; available: z.ZodNumber }> = z.object({
  sku: Sku,
  requested: Quantity,
  available: z.number().int().min(0),
})
export type Shortage = z.infer<typeof Shortage>

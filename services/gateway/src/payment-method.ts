import { TOKENS, chance } from './behaviour.ts'

const BRANDS = ['visa', 'mastercard', 'amex'] as const

export interface PaymentMethod {
  valid: boolean
  brand: (typeof BRANDS)[number] | null
}

/** Whether a token stands for a card: it begins `tok_`, and does not begin `tok_invalid`. */
export function isCard(token: string): boolean {
  return token.startsWith('tok_') && !token.startsWith(TOKENS.invalid)
}

/** What is known of a token. The brand is the one it names, or else one of three by chance, always the same. */
export function paymentMethod(token: string): PaymentMethod {
  if (!isCard(token)) return { valid: false, brand: null }
  const named = BRANDS.find((brand) => token.includes(brand))
  return { valid: true, brand: named ?? BRANDS[Math.floor(chance('', 'brand', token) * BRANDS.length)] ?? 'visa' }
}

/** The last order of each customer, so that a cancellation finds what it is about. */
export interface Customers {
  /** `accepted` settles with whether there is an order now. */
  placed: (customerId: string | null, orderId: string, accepted: Promise<boolean>) => void
  /** The customer's last order that was not cancelled yet; asking for it takes it out. */
  takeLast: (customerId: string | null) => { orderId: string; accepted: Promise<boolean> } | undefined
}

export function createCustomers(): Customers {
  const last = new Map<string, { orderId: string; accepted: Promise<boolean> }>()
  return {
    placed(customerId, orderId, accepted) {
      if (customerId !== null) last.set(customerId, { orderId, accepted })
    },
    takeLast(customerId) {
      if (customerId === null) return undefined
      const found = last.get(customerId)
      last.delete(customerId)
      return found
    },
  }
}

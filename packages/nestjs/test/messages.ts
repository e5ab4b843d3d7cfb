import { type StandardSchema, stream } from '@acuse/core'

export interface OrderData {
  readonly orderId: string
}

/** On the wire `total` is text; handlers get a number. */
export interface InvoiceIn {
  readonly orderId: string
  readonly total: string
}

export interface InvoiceOut {
  readonly orderId: string
  readonly total: number
}

const orderSchema: StandardSchema<OrderData> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as OrderData }) },
}

const invoiceSchema: StandardSchema<InvoiceIn, InvoiceOut> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { orderId, total } = value as InvoiceIn
      return { value: { orderId, total: Number(total) } }
    },
  },
}

const orders = stream('orders')
const key = ({ orderId }: OrderData): string => orderId

export const OrderPlaced = orders.message('order.placed', { schema: orderSchema, key })
export const OrderCancelled = orders.message('order.cancelled', { schema: orderSchema, key })
export const StockReserved = orders.message('stock.reserved', { schema: orderSchema, key })
export const OrderExpired = orders.message('order.expired', { schema: orderSchema, key })
export const InvoiceSent = orders.message('invoice.sent', { schema: invoiceSchema, key })

import type { Bus } from '@acuse/core'
import { InjectBus } from '@acuse/nestjs'
import {
  BadRequestException,
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Inject,
  NotFoundException,
  Param,
  Post,
  Query,
} from '@nestjs/common'
import { ApiBody, ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger'
import type { Pool, PoolClient } from 'pg'

import { type Order, type OrderState, orderStates, type Stats } from './order.ts'
import { OrderDesk } from './order-desk.ts'
import { findOrder, listOrders, readStats } from './order-table.ts'
import { readRequest, schemas } from './schemas.ts'
import { POOL } from './tokens.ts'

const mostListed = 1_000

@Controller()
export class OrdersController {
  readonly #desk: OrderDesk
  readonly #bus: Bus<PoolClient>
  readonly #pool: Pool

  constructor(@Inject(OrderDesk) desk: OrderDesk, @InjectBus() bus: Bus<PoolClient>, @Inject(POOL) pool: Pool) {
    this.#desk = desk
    this.#bus = bus
    this.#pool = pool
  }

  @Post('orders')
  @HttpCode(202)
  @ApiOperation({ summary: 'Place an order' })
  @ApiBody({ schema: schemas.request })
  @ApiResponse({ status: 202, description: 'Accepted; what becomes of it is decided later', schema: schemas.accepted })
  @ApiResponse({ status: 400, description: 'The request is not well formed', schema: schemas.problem })
  @ApiResponse({ status: 402, description: 'The payment token stands for no card', schema: schemas.methodInvalid })
  @ApiResponse({ status: 409, description: 'Stock is missing', schema: schemas.outOfStock })
  async place(@Body() body: unknown): Promise<object> {
    const request = readRequest(body)
    if (typeof request === 'string') throw new BadRequestException(request)
    const answer = await this.#desk.place(request)
    if (answer.status === 202) return answer.body
    throw new HttpException(answer.body, answer.status)
  }

  @Get('orders')
  @ApiOperation({ summary: 'Orders, the newest first' })
  @ApiQuery({ name: 'state', required: false, enum: orderStates })
  @ApiQuery({
    name: 'limit',
    required: false,
    schema: { type: 'integer', minimum: 1, maximum: mostListed, default: 100 },
  })
  @ApiResponse({ status: 200, description: 'At most as many as asked for', schema: schemas.orders })
  @ApiResponse({ status: 400, description: 'There is no such state or limit', schema: schemas.problem })
  async list(@Query('state') state: unknown, @Query('limit') limit: unknown = '100'): Promise<Order[]> {
    const states = state === undefined ? orderStates : orderStates.filter((one) => one === state)
    const most = Number(limit)
    if (states.length === 0) throw new BadRequestException(`state is one of ${orderStates.join(', ')}`)
    if (!Number.isInteger(most) || most < 1 || most > mostListed) {
      throw new BadRequestException(`limit is a whole number from 1 to ${mostListed}`)
    }
    return listOrders(this.#pool, states, most)
  }

  @Get('orders/:id')
  @ApiOperation({ summary: 'An order' })
  @ApiResponse({ status: 200, description: 'As far as it is', schema: schemas.order })
  @ApiResponse({ status: 404, description: 'There is no such order', schema: schemas.problem })
  async find(@Param('id') orderId: string): Promise<Order> {
    const order = await findOrder(this.#pool, orderId)
    if (order === undefined) throw unknownOrder(orderId)
    return order
  }

  @Post('orders/:id/cancel')
  @HttpCode(202)
  @ApiOperation({ summary: 'Ask for an order to be cancelled' })
  @ApiResponse({ status: 202, description: 'Passed on, with the state it is in until then', schema: schemas.accepted })
  @ApiResponse({ status: 404, description: 'There is no such order', schema: schemas.problem })
  @ApiResponse({ status: 409, description: 'Too late: it is completed', schema: schemas.tooLate })
  async cancel(@Param('id') orderId: string): Promise<{ orderId: string; state: OrderState }> {
    const state = await this.#desk.cancel(orderId)
    if (state === undefined) throw unknownOrder(orderId)
    if (state === 'completed') throw new HttpException({ reason: 'too_late', state }, 409)
    return { orderId, state }
  }

  @Get('stats')
  @ApiOperation({ summary: 'Orders, added up' })
  @ApiResponse({ status: 200, description: 'All of them', schema: schemas.stats })
  async stats(): Promise<Stats> {
    return readStats(this.#pool)
  }

  @Get('health')
  @ApiOperation({ summary: 'Whether messages flow' })
  @ApiResponse({ status: 200, description: 'It answers', schema: schemas.health })
  async health(): Promise<object> {
    const { running, connected, groups } = await this.#bus.state()
    const parked = groups.flatMap((group) => Object.values(group.parked)).reduce((sum, count) => sum + count, 0)
    return { status: running && connected ? 'ok' : 'degraded', connected, parked }
  }
}

function unknownOrder(orderId: string): NotFoundException {
  return new NotFoundException(`there is no order ${orderId}`)
}

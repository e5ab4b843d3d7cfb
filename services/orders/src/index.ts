export { type Service, startOrders } from './service.ts'
export { type Settings, settingsFrom } from './settings.ts'

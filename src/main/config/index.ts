export { configDocument } from './document.ts';
export { type ConfigInput, parseConfig } from './parse.ts';
export { CLIENT_VARIABLES, type Config, type LogLevel, SETTINGS, TEST_VARIABLES, type VerifyWhen } from './settings.ts';
export { type Address, isLoopback, type Range } from './values.ts';

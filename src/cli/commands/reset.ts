import { anotherLife } from '../another-life.ts';

export const command = anotherLife(
  'reset',
  'Begins again from the template: everything written is gone, the id and the address stay.',
);

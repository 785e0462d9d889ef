export const canaille: any = async () => { throw new Error('not yet'); };

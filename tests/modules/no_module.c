/* tests/modules/no_module.c: a shared object, and no module. */
int something(void);

int something(void)
{
	return 1;
}
